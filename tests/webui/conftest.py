"""Starts a real WebUI for the tests, with this extension and the probe."""

import shutil

import pytest

from tcd_sampler.lab.miniature import CHECKPOINT
from tcd_sampler.lab.miniature.install import install_loras

from ..support.browser import start_browser
from ..support.loopback import serve
from .jobs import OPTION, Jobs
from .page import Page
from .selection import HERE, MINIATURE, THIS, needs
from .webui import WebUI


def find_packages(config):
    """Returns the folder beside --extensions with the packages that those extensions need, or None."""
    folder = config.getoption("--extensions")
    packages = folder and folder.expanduser().resolve().parent / "extension-packages"
    return packages if packages and packages.is_dir() else None


def pytest_collection_modifyitems(items):
    """Runs page tests last: Reload UI can wait forever for a browser that was closed during a request."""
    items.sort(key=lambda item: "page" in item.path.name)


@pytest.fixture(scope="session")
def hub():
    """A local server that the WebUI uses as Hugging Face."""
    with serve(b"") as server:
        yield server


@pytest.fixture(scope="session")
def start_webui(request, tmp_path_factory, hub):
    """Returns a function that makes the WebUI of --webui with this extension, the probe and other extensions."""
    checkpoints = tmp_path_factory.mktemp("models") / "Stable-diffusion"

    def start(*extensions, folder=None, this=THIS, ui_config=None, flags=(), **changed):
        folder = (folder or request.config.getoption("--webui")).expanduser().resolve()
        others = {extension.name: extension for extension in (HERE / "probe", *extensions)}
        settings = dict(setting.split("=", 1) for setting in request.config.getoption("--setting"))
        data, extensions = tmp_path_factory.mktemp("data"), {**this, **others}
        sdxl = request.config.getoption("--sdxl")
        sdxl = sdxl and sdxl.expanduser().resolve()
        webui = WebUI(folder, data, checkpoints, extensions, ui_config, {**settings, **changed}, sdxl)
        webui.environment["HF_ENDPOINT"] = hub.address
        packages = find_packages(request.config)
        if packages and any(HERE not in extension.parents for extension in others.values()):
            webui.environment["PYTHONPATH"] = str(packages)
        webui.flags += flags
        return webui

    yield start
    shutil.rmtree(checkpoints)  # pytest would keep the checkpoints of three sessions


@pytest.fixture(scope="session")
def webui(start_webui):
    with start_webui() as webui:
        yield webui


@pytest.fixture(scope="module")
def lora_folder(webui):
    """The WebUI's LoRA folder, which is emptied for other tests."""
    needs(webui.has_loras, "working script for LoRAs")
    yield webui.lora_folder
    webui.remove_loras()


@pytest.fixture
def miniature(webui, lora_folder):
    """Loads the miniature and installs its LoRAs, for tests that check images."""
    needs(webui.is_configured, MINIATURE)
    install_loras(lora_folder)
    webui.refresh_loras()
    before = webui.get("/sdapi/v1/options")["sd_model_checkpoint"]
    assert webui.post("/sdapi/v1/options", {"sd_model_checkpoint": CHECKPOINT.name})[0] == 200
    yield
    assert webui.post("/sdapi/v1/options", {"sd_model_checkpoint": before})[0] == 200
    webui.remove_loras()


@pytest.fixture(scope="module")
def browser():
    with start_browser() as browser:
        yield browser


@pytest.fixture
def page(browser, webui):
    page = Page(browser.new_page(), webui)
    page.open()
    yield page
    page.page.close()


@pytest.fixture(scope="session")
def jobs(webui, tmp_path_factory):
    return Jobs(webui, tmp_path_factory.mktemp("records"))


@pytest.fixture(autouse=True)
def nothing_breaks(request):
    """Checks after each test that no script of the WebUI has failed."""
    if "webui" not in request.fixturenames:
        yield
        return
    webui = request.getfixturevalue("webui")
    before = len(webui.log())
    yield
    for complaint in ("Error running", "Error calling", "Error executing", "Error creating"):
        assert complaint not in webui.log()[before:]


@pytest.fixture
def option(webui):
    needs(webui.component(f"setting_{OPTION}"), "negative prompt evaluated at CFG 1")


@pytest.fixture
def run_both(jobs, option):
    """Runs a job with the setting on and with the setting off."""

    def run(kind="txt2img", overrides=None, **fields):
        run = getattr(jobs, kind)
        return [run(record=True, override_settings={**(overrides or {}), OPTION: on}, **fields) for on in (True, False)]

    return run
