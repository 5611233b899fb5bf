"""Other extensions with a TCD sampler, Reload UI, and disabling the extension."""

import shutil

import pytest

from .jobs import Jobs
from .selection import HERE, THIS, long

OTHER_EXTENSIONS = HERE / "other_extensions"


def names(webui, path, key="name"):
    return [entry[key] for entry in webui.get(f"/sdapi/v1/{path}")]


def assert_one_of_each(webui, jobs):
    assert names(webui, "samplers").count("TCD") == 1
    assert not webui.has_schedules or names(webui, "schedulers").count("tcd") == 1
    assert not webui.describes_scripts or names(webui, "script-info").count("tcd") == 2  # one for each tab
    labels = [component["props"].get("label") for component in webui.get("/config")["components"]]
    assert labels.count("TCD gamma") == 2
    axes = jobs.axis_labels()
    assert axes.count("[TCD] Gamma") == axes.count("[TCD] Hires gamma") == 1
    one, other = jobs.txt2img(0.1), jobs.txt2img(0.9)
    assert "Sampler: TCD" in one.infotext
    assert "TCD gamma: 0.1" in one.infotext
    assert abs(one.pixels - other.pixels).max() > 10


def disable(webui, *extensions):
    webui.post("/sdapi/v1/options", {"disabled_extensions": list(extensions)})
    webui.reload_ui()


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=long)])
def test_reload_ui(webui, jobs, times):
    for _ in range(times):
        webui.reload_ui()
        assert_one_of_each(webui, jobs)


@long
def test_an_update_runs_after_reload_ui(start_webui, tmp_path):
    this = tmp_path / "this"
    for name in ("scripts", "tcd_sampler"):
        shutil.copytree(THIS["sd-webui-tcd"] / name, this / name)
    with start_webui(this={"sd-webui-tcd": this}) as webui:
        names_file = this / "tcd_sampler" / "webui" / "names.py"
        names_file.write_text(
            names_file.read_text(encoding="utf-8").replace('"TCD hires gamma"', '"TCD second gamma"'), encoding="utf-8"
        )
        webui.reload_ui()
        labels = [component["props"].get("label") for component in webui.get("/config")["components"]]
        assert labels.count("TCD second gamma") == 2
        assert labels.count("TCD hires gamma") == 0
        assert names(webui, "samplers").count("TCD") == 1


@long
def test_disabling_removes_everything_but_saved_settings(webui, jobs, start_webui):
    lists = ["samplers", "options"]
    lists += ["schedulers"] if webui.has_schedules else []
    lists += ["script-info"] if webui.describes_scripts else []
    with start_webui(this={}) as other:
        never = {path: other.get(f"/sdapi/v1/{path}") for path in lists}
        others = Jobs(other, jobs.records)
        never_axes, never_pixels = others.axis_labels(), others.txt2img(sampler_name="Euler a").pixels
        never_status, _ = others.post("txt2img", sampler_name="TCD")  # an error, or the host's first sampler
    disable(webui, "sd-webui-tcd")
    try:
        disabled = {path: webui.get(f"/sdapi/v1/{path}") for path in lists}
        for path in disabled.keys() - {"options"}:
            assert disabled[path] == never[path]
        # the settings' values stay for when the extension is enabled again, as with any extension
        assert all(key.startswith("tcd_") for key in disabled["options"].keys() - never["options"].keys())
        assert jobs.axis_labels() == never_axes
        assert (jobs.txt2img(sampler_name="Euler a").pixels == never_pixels).all()
        assert jobs.post("txt2img", sampler_name="TCD")[0] == never_status
    finally:
        disable(webui)
    assert_one_of_each(webui, jobs)


@pytest.mark.parametrize(
    ("order", "most"),
    [
        pytest.param(["aaa-tcd"], 1, id="before", marks=long),
        pytest.param(["aaa-late"], 2, id="late", marks=long),
        pytest.param(["zzz-tcd", "aaa-tcd"], 2, id="both", marks=long),
    ],
)
def test_this_extension_replaces_other_tcd_samplers(start_webui, order, most, tmp_path):
    with start_webui(*(OTHER_EXTENSIONS / name for name in order)) as webui:
        jobs = Jobs(webui, tmp_path)
        assert_one_of_each(webui, jobs)
        webui.reload_ui()
        assert_one_of_each(webui, jobs)
        *starts, after = webui.log().split("Startup time")
        # twice if another extension adds its sampler although one is still there from the last start
        assert all(1 <= start.count("replaced another extension's") <= most for start in starts)
        assert "replaced another extension's" not in after
        disable(webui, "sd-webui-tcd")
        assert "TCD" in names(webui, "samplers")
        assert "TCD gamma" not in jobs.txt2img().infotext
        disable(webui)
        assert_one_of_each(webui, jobs)


@long
def test_a_webui_that_lacks_something_starts_without_tcd(start_webui, tmp_path):
    with start_webui(OTHER_EXTENSIONS / "q-future") as webui:
        starts = webui.log().count("Startup time")
        assert webui.log().count("TCD disabled: this WebUI does not provide modules.rng.ImageRNG.") == starts
        assert webui.log().count("TCD") == starts
        assert "TCD" not in webui.samplers
        assert Jobs(webui, tmp_path).txt2img(sampler_name="Euler a").pixels.std() > 1
