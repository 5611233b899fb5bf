"""Starts Chromium with Playwright: the system's, or the one that `playwright install chromium` downloads."""

import shutil
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ["chromium", "chromium-browser", "google-chrome"]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def find_browser(driver):
    """Returns the path of Chromium, or None if it is not installed."""
    installed = [*filter(None, map(shutil.which, NAMES)), driver.chromium.executable_path]
    return next((path for path in installed if Path(path).exists()), None)


def has_browser():
    with sync_playwright() as driver:
        return find_browser(driver) is not None


@contextmanager
def start_browser(width=1600, height=1400):
    """Starts the browser and yields a context, whose pages share one cache."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(driver), args=QUIET)
        yield browser.new_context(viewport={"width": width, "height": height})
        browser.close()
