"""The demo's page, in Chromium. Where there is none, the test run's last lines say that this was not run."""

import re
import socket
import time
from urllib.parse import urlsplit

import pytest

from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.demo.model import Guided
from tcd_sampler.lab.demo.page import GAMMAS, launch
from tests.support.browser import has_browser, start_browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_browser(), reason="no Chromium: playwright install chromium brings one"),
]


@pytest.fixture(scope="module")
def browser():
    with start_browser(1200, 1000) as context:
        yield context


@pytest.fixture(scope="module")
def model():
    """The one that is shipped."""
    return load_miniature()


@pytest.fixture
def server(model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = launch(model, port, wait=False)
    yield port
    page.close()


@pytest.fixture
def page(browser, server):
    page = browser.new_page()
    page.set_default_timeout(300_000)  # the machine may be busy
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"http://127.0.0.1:{server}/?__theme=light")
    page.locator("#compare").wait_for()
    yield page
    page.close()


def read_settings(page, count):
    """Of all images, once they are there."""
    box = page.locator("#settings textarea")
    page.wait_for_function("n => document.querySelectorAll('.grid-wrap button img').length === n", arg=count)
    end = time.monotonic() + 30
    while box.input_value().count("Steps:") < count:
        assert time.monotonic() < end, box.input_value()
        page.wait_for_timeout(100)
    return box.input_value().split("\n\n")


def get_captions(page):
    return [text.strip() for text in page.locator(".grid-wrap .caption-label").all_inner_texts()]


def test_samplers_side_by_side_on_the_same_noise(page):
    page.locator("#prompt textarea").fill("a red ball in the middle, on sand, by day")
    page.locator("#steps input[type=number]").fill("2")
    page.locator("#seed input").fill("12")
    page.locator("#compare").click()
    settings = read_settings(page, 4)
    assert get_captions(page) == ["TCD", "LCM", "Euler a", "DPM++ 2M"]
    for name, text in zip(get_captions(page), settings):
        assert text.startswith("a red ball in the middle, on sand, by day\nSteps: 2, Sampler: " + name)
        assert "Seed: 12" in text
    assert settings[0].endswith("TCD gamma: 0.3")


def test_the_readmes_image(page, request, tmp_path):
    caption = "a red dotted mushroom on the left and a blue star on the right, on grass, at sunset"
    page.locator("#prompt textarea").fill(caption)
    page.locator("#seed input").fill("1")
    page.locator("#compare").click()
    assert all(text.startswith(caption) for text in read_settings(page, 4))
    page.wait_for_timeout(1000)  # it fades in
    image = (request.config.getoption("--screenshots") or tmp_path) / "demo.png"
    page.screenshot(path=image, full_page=True)
    assert image.stat().st_size > 100_000


def test_a_strip_over_gamma(page):
    page.locator("#steps input[type=number]").fill("3")
    page.locator("#strip").click()
    settings = read_settings(page, len(GAMMAS))
    assert get_captions(page) == [f"gamma {gamma:g}" for gamma in GAMMAS]
    assert [re.search("TCD gamma: (.+)", text)[1] for text in settings] == [f"{gamma:g}" for gamma in GAMMAS]


def test_progress_is_shown(page, monkeypatch):
    original = Guided.__call__
    monkeypatch.setattr(Guided, "__call__", lambda *args: time.sleep(0.4) or original(*args))
    page.locator("#compare").click()
    page.get_by_text(re.compile(r"[1-9]/16")).first.wait_for()
    read_settings(page, 4)


def test_what_is_wrong_is_said_and_the_next_request_works(page):
    page.locator("#seed input").fill("99999999999")
    page.locator("#compare").click()
    page.get_by_text("seed must be a number from 0 to 4294967295, got 99999999999.").first.wait_for()
    page.locator("#seed input").fill("1")
    page.locator("#compare").click()
    read_settings(page, 4)


def test_a_bug_has_its_traceback_in_the_terminal(page, monkeypatch, capfd):
    """The same for other exceptions: see test_command.py."""
    monkeypatch.setattr("tcd_sampler.lab.demo.generation.get_size", lambda *_: {}["planted"])
    page.locator("#compare").click()
    page.get_by_text("Internal error: see the terminal.").first.wait_for()
    printed = capfd.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert "KeyError: 'planted'" in printed


def test_sliders_have_their_range(page):
    ranges = [[box.get_attribute(name) for name in ("min", "max")] for box in page.locator("input[type=range]").all()]
    assert ranges == [["1", "50"], ["0", "1"]]


def test_nothing_is_asked_of_the_network(page):
    page.locator("#strip").click()
    read_settings(page, len(GAMMAS))
    assert {urlsplit(url).hostname for url in page.asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}


def test_a_taken_port_is_said_in_a_sentence(server, capsys):
    assert main(["--port", str(server)]) == 1
    said = rf"Port {server} cannot be used \(.*in use.*\). Choose another with --port.\n"
    assert re.fullmatch(said, capsys.readouterr().err)


def test_what_is_no_port_is_said_in_a_sentence(capsys):
    assert main(["--port", "70000"]) == 1
    assert capsys.readouterr().err == "--port must be a number from 1 to 65535, got 70000.\n"
