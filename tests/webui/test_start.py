"""The WebUI starts with the extension's version in its log, and with valid and invalid saved settings."""

import pytest

from tcd_sampler import __version__

from .jobs import Jobs
from .selection import long

OPTION = "tcd_default_gamma"


def start_with(start_webui, saved, **settings):
    ui_config = {f"customscript/tcd.py/{key}": value for key, value in saved.items()}
    return start_webui(ui_config=ui_config, use_ui_config_json=True, **settings)  # ersatzForge must be told to read it


def count_tracebacks(webui):
    """Returns the number of tracebacks in a WebUI's log up to the end of the second start, Reload UI."""
    first, second, _ = webui.log().split("Startup time", 2)
    return first.count("Traceback") + second.count("Traceback")


def test_the_version_is_in_the_log_and_among_the_settings(webui):
    version = f"sd-webui-tcd {__version__}"
    assert f"\n{version}\n" in webui.log()
    assert webui.component("setting_tcd_version")["value"] == version


def test_valid_saved_defaults(start_webui, webui, tmp_path):
    """A TCD setting is among the quick settings and below the prompt, where some hosts need it early."""
    saved = {"txt2img/TCD gamma/value": 0.85, "txt2img/TCD hires gamma/value": "0.25"}
    lists = {"quicksettings_list": [OPTION]}
    if webui.is_configured:  # in Forge, these fail at Reload UI after settings were sent through its API
        lists |= {"extra_options_txt2img": [OPTION], "extra_options_img2img": [OPTION]}
    others = count_tracebacks(webui)  # some hosts' own scripts fail
    with start_with(start_webui, saved, **lists, **{OPTION: 0.55}) as webui:
        assert webui.component("txt2img_tcd_gamma")["value"] == 0.85
        assert webui.component("txt2img_tcd_hires_gamma")["value"] == "0.25"
        assert webui.components(f"setting_{OPTION}")
        assert count_tracebacks(webui) == others
        assert "TCD gamma: 0.55" in Jobs(webui, tmp_path).txt2img(steps=1).infotext


NONSENSE = {
    "txt2img/TCD gamma/value": "high",
    "txt2img/TCD gamma/minimum": "low",
    "txt2img/TCD gamma/visible": 3,
    "txt2img/TCD hires gamma/value": "2",
    "img2img/TCD gamma/value": None,
    "txt2img/TCD preset/value": "gone",
    "txt2img/Apply/visible": "yes",
}


@pytest.mark.parametrize("gamma", [True, pytest.param([0.3], marks=long), pytest.param("1.5", marks=long)])
def test_invalid_saved_defaults(start_webui, tmp_path, gamma):
    with start_with(start_webui, {**NONSENSE, "img2img/TCD hires gamma/value": gamma}) as webui:
        assert webui.component("txt2img_tcd_hires_gamma")["value"] == "same"
        jobs = Jobs(webui, tmp_path)
        assert "TCD gamma: 0.4" in jobs.txt2img(0.4, steps=1).infotext
        assert "TCD gamma: 0.3" in jobs.txt2img(steps=1).infotext
