"""What other extensions do with jobs: copy them, run jobs inside jobs, and change them while they run."""

import json

import numpy
import pytest

from tcd_sampler import messages

from .compare import SAME, difference, gamma
from .jobs import CHEAP, NOTHING, make_image
from .selection import long, needs

SETTING = {"tcd_default_gamma": 0.45}
HIRES = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.6}


def copied(result):
    """Returns the TCD script's arguments in the copies of a job."""
    return result.info["extra_generation_params"]["copied"]


@pytest.mark.parametrize(
    ("arguments", "fields", "expected"),
    [
        ((0.8, "same"), {}, [0.8, 0.8, None]),
        ((), {"eta": 0.6}, [0.6, 0.6, None]),
        ((), {"override_settings": SETTING}, [0.45, 0.45, None]),
        ((0.8, "0.2"), HIRES, [0.8, 0.2, None]),
        ((None, None, "TCD, 4 steps"), {"sampler_name": NOTHING}, [0.3, 0.3, None]),
        ((None, None, "Hyper-SD unified, 4 steps"), {"eta": 0.2}, [1, 1, None]),
        ((None, None, "TCD, 4 steps"), {"sampler_name": "Euler a"}, [None, None, None]),
    ],
)
def test_a_job_is_complete_before_others_copy_it(jobs, arguments, fields, expected):
    """Others copy, pickle and dump a job. Its fields and arguments then contain everything that affects the image."""
    assert copied(jobs.txt2img(*arguments, actions="copy", **{**CHEAP, **fields})) == [expected]


@long
def test_a_second_run_of_a_job_is_the_same(jobs, webui):
    """Loopback runs a job again after the first run completed its arguments."""
    arguments = webui.script_arguments("loopback.py", loops=2, final_denoising_strength=0.5)
    loopback = {"script_name": "Loopback", "script_args": arguments}
    result = jobs.img2img(0.8, actions="copy again", **CHEAP, **loopback)
    assert copied(result)[-2:] == [[0.8, 0.8, None]] * 2


@pytest.mark.parametrize(("axis", "expected"), [("[TCD] Gamma", [0.1, 0.1]), ("[TCD] Hires gamma", [0.8, 0.1])])
def test_a_plots_values_become_arguments(jobs, axis, expected):
    hires = HIRES if axis == "[TCD] Hires gamma" else {}
    result = jobs.txt2img(0.8, actions="copy again", **CHEAP, **hires, **jobs.plot(axis, "0.1, 0.9"))
    first, second = copied(result)[-2:]
    assert first == [*expected, None]
    assert second == [0.9 if value == 0.1 else value for value in expected] + [None]


def test_a_bad_gamma_in_a_copied_job_is_refused(jobs):
    assert "got 'high'" in jobs.refused("high", actions="copy", **CHEAP)
    assert "got 'high'" in jobs.refused(0.3, "high", actions="copy", **CHEAP, **HIRES)


@pytest.fixture
def detail(jobs, webui):
    """Runs a job with another job inside it."""

    def detail(*tcd, inherits="infotext", inner="TCD", **fields):
        scripts = {"Probe detailer": {"args": [inner, inherits]}}
        return jobs.txt2img(*tcd, scripts=scripts, **{**CHEAP, **fields})

    return detail


@pytest.mark.parametrize("inherits", ["infotext", "scripts", ""])
def test_an_inner_job_uses_the_outer_jobs_gamma(detail, inherits):
    inner = detail(0.8, inherits=inherits)
    assert (gamma(inner), gamma(inner, "Detail gamma")) == (0.8, 0.8)
    by_setting = detail(inherits=inherits, override_settings={"tcd_default_gamma": 0.8})
    assert difference(inner, by_setting) <= SAME
    assert difference(inner, detail(0.3, inherits=inherits)) > 3 * SAME


def test_an_inner_job_uses_the_gamma_of_a_plots_cell(detail, jobs):
    plot = jobs.plot("[TCD] Gamma", "0.15, 0.95")
    infotexts = detail(0.3, **plot).info["infotexts"][-2:]
    assert [("Detail gamma: 0.15" in text, "Detail gamma: 0.95" in text) for text in infotexts] == [
        (True, False),
        (False, True),
    ]


def test_an_inner_job_with_nothing_to_inherit(detail, webui):
    """It uses the setting's gamma, which is in the infotext of the outer image."""
    inner = detail(sampler_name="Euler a", override_settings=SETTING)
    outer = 0.45 if webui.writes_infotexts_last else None
    assert (gamma(inner), gamma(inner, "Detail gamma")) == (outer, 0.45)
    assert "Sampler: Euler a" in inner.infotext
    assert gamma(detail(0.8, inner="Euler a")) == 0.8


def test_a_job_whose_sampler_an_extension_changes(jobs):
    """A job that no longer uses TCD has no warnings, and no gamma in its infotext."""
    result = jobs.txt2img(0.8, actions="change", **CHEAP)
    assert gamma(result) is None
    assert "TCD warnings" not in result.info["extra_generation_params"]
    # img2img has already made its sampler
    assert gamma(jobs.img2img(0.8, actions="change", **CHEAP)) == 0.8


# Scripts that return one result of several jobs

SCRIPTS = {
    "loopback.py": ("Loopback", {"loops": 2, "final_denoising_strength": 0.5, "denoising_curve": "Linear"}),
    "sd_upscale.py": (
        "SD upscale",
        {"overlap": 16, "upscaler_index": 0, "scale_factor": 1, "scale": 1, "width": 64, "height": 64},
    ),
    "poor_mans_outpainting.py": (
        "Poor man's outpainting",
        {"pixels": 32, "mask_blur": 4, "inpainting_fill": "fill", "direction": ["left"]},
    ),
    "prompts_from_file.py": (
        "Prompts from file or textbox",
        {"prompt_txt": "a house\na ship", "prompt_position": "start"},
    ),
}


@pytest.mark.parametrize("file", [*SCRIPTS])
def test_warnings_of_a_script_with_several_jobs(jobs, webui, file):
    needs(webui.calls_callables, "place in a job for what its infotext is to leave out")
    needs(webui.find_script(file), file)
    title, given = SCRIPTS[file]
    script = {"script_name": title, "script_args": webui.script_arguments(file, **given)}
    overrides = {"tcd_distilled_checkpoints": ""}
    run = jobs.txt2img if file == "prompts_from_file.py" else jobs.img2img
    result = run(0.8, scheduler="Karras", override_settings=overrides, **CHEAP, **script)
    said = result.info["extra_generation_params"].get("TCD warnings", [])
    assert len(said) == 1 + webui.has_schedules  # the missing LoRA, and Karras if requests can choose it
    assert len(set(said)) == len(said)
    assert not any("TCD warnings" in text for text in result.info["infotexts"])


# Bugs in the extension


BUGS = {
    "KeyError": "KeyError: 'planted'",
    "ValueError": "ValueError: could not convert string to float: 'planted'",
    "RuntimeError": "RuntimeError: mat1 and mat2 shapes cannot be multiplied",
}
"""The last line of each kind's traceback."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [*(("determine_gammas", kind) for kind in BUGS), ("apply_preset", "KeyError"), ("check_model", "ValueError")],
)
def test_a_bug_ends_the_job_and_is_reported(jobs, webui, name, kind):
    before = len(webui.log())
    status, body = jobs.post("txt2img", 0.8, actions=f"bug:{name}:{kind}", **CHEAP)
    assert status == 500
    assert messages.FAILED.format(error=kind) in json.dumps(body, ensure_ascii=False)
    webui.wait_for_log(BUGS[kind], before)
    assert gamma(jobs.txt2img(0.8, **CHEAP)) == 0.8


@pytest.mark.parametrize("kind", BUGS)
def test_a_bug_in_a_warning_does_not_end_the_job(jobs, webui, kind):
    before = len(webui.log())
    result = jobs.txt2img(0.8, actions=f"bug:show_warnings:{kind}", n_iter=2, **CHEAP)
    assert gamma(result) == 0.8
    assert result.info["extra_generation_params"]["TCD warnings"] == [messages.FAILED.format(error=kind)]
    webui.wait_for_log(BUGS[kind], before)
    assert webui.log()[before:].count(BUGS[kind]) == 1


# Settings of a wrong type in a request


@pytest.mark.parametrize(
    ("key", "value"), [("tcd_warnings", "no"), ("tcd_distilled_checkpoints", 5), ("tcd_cfg1_single_pass", None)]
)
def test_tcd_settings_of_a_wrong_type(jobs, webui, key, value):
    needs(webui.component(f"setting_{key}"), f"setting {key}")
    sentence = jobs.refused(override_settings={key: value}, **CHEAP)
    assert key in sentence
    assert repr(value) in sentence


@pytest.mark.parametrize("overrides", [{"sd_lora": ["x"]}, {"sd_lora": {"a": 1}}, {"sd_lora": 5}])
def test_host_settings_of_a_wrong_type(jobs, webui, overrides):
    usual = {"sd_lora": "None"}  # some hosts do not restore a setting that was never set
    assert webui.post("/sdapi/v1/options", usual)[0] == 200
    result = jobs.txt2img(0.8, override_settings=overrides, **CHEAP)
    assert webui.post("/sdapi/v1/options", usual)[0] == 200
    said = result.info["extra_generation_params"].get("TCD warnings", [])
    assert any("sd_lora" in sentence for sentence in said) == (overrides["sd_lora"] != 5)


def test_img2img_generates_a_finite_image(jobs):
    assert numpy.isfinite(jobs.img2img(0.8, init_images=[make_image(64)], **CHEAP).pixels).all()
