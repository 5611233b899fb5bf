"""Invalid requests are refused in one sentence before anything is generated, and the next request works."""

import math

import pytest

from tcd_sampler import messages

from .selection import long, needs

BAD = {
    "high": "'high'",
    "0.3": "'0.3'",
    math.nan: "nan",
    math.inf: "inf",
    -0.1: "-0.1",
    1.1: "1.1",
    True: "True",
}


def bad_gamma(field, shown):
    return messages.BAD_GAMMA.format(field=field, value=shown)


@pytest.fixture(autouse=True)
def nothing_stays_behind(jobs, webui):
    yield
    assert webui.get("/sdapi/v1/progress")["state"]["job_count"] == 0
    assert "TCD gamma: 0.3" in jobs.txt2img(steps=1).infotext
    assert "TCD" not in jobs.txt2img(sampler_name="Euler a", steps=1).infotext


@pytest.mark.parametrize(
    ("kind", "gamma"),
    [
        ("txt2img", 1.1),
        ("img2img", "high"),
        *(pytest.param("txt2img", gamma, marks=long) for gamma in [*BAD, [0.3], 10**400]),
        *(pytest.param("img2img", gamma, marks=long) for gamma in [*BAD, [0.3], 10**400]),
    ],
)
def test_gamma(jobs, webui, kind, gamma):
    from .jobs import make_image

    before = webui.log().count("100%")
    fields = {"init_images": [make_image()]} if kind == "img2img" else {}
    shown = "[0.3]" if gamma == [0.3] else BAD.get(gamma, "1" + "0" * 17 + "..." + "0" * 19)
    assert jobs.refused(gamma, kind=kind, **fields) == bad_gamma("TCD gamma", shown)
    assert webui.log().count("100%") == before


@pytest.mark.parametrize(
    "gamma", ["high", *(pytest.param(gamma, marks=long) for gamma in ["", math.nan, -0.1, 1.1, [0.3], True])]
)
def test_hires_gamma(jobs, gamma):
    """The first pass has another sampler and does not run either."""
    fields = {"enable_hr": True, "hr_scale": 1, "sampler_name": "Euler a", "hr_sampler_name": "TCD"}
    sentence = messages.BAD_HIRES_GAMMA.format(field="TCD hires gamma", value="")
    assert jobs.refused(0.3, gamma, **fields).startswith(sentence[:-1])


@pytest.mark.parametrize("eta", [pytest.param(-0.1, marks=long), 1.1])
def test_eta(jobs, eta):
    assert jobs.refused(eta=eta) == bad_gamma("eta", eta)


@pytest.mark.parametrize(
    "text", ["high", *(pytest.param(text, marks=long) for text in ["nan", "-0.1", "1.1", "true", "[0.3]"])]
)
def test_a_pasted_infotext(jobs, webui, text):
    needs(webui.can_paste, "infotext in requests")
    infotext = f"a house\nSteps: 4, Sampler: TCD, Schedule type: TCD, CFG scale: 1, Seed: 7, TCD gamma: {text}"
    assert jobs.refused(infotext=infotext) == bad_gamma("TCD gamma", text if text[-1].isdigit() else repr(text))


@pytest.mark.parametrize("value", [2, pytest.param("high", marks=long)])
def test_the_setting(jobs, value):
    sentence = jobs.refused(override_settings={"tcd_default_gamma": value})
    assert sentence == bad_gamma("tcd_default_gamma", repr(value))


@long
def test_a_gamma_that_is_not_used_is_not_checked(jobs):
    assert "Euler a" in jobs.txt2img("high", sampler_name="Euler a").infotext
    assert "TCD gamma: 0.3" in jobs.txt2img(0.3, "high").infotext
    hires = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5}
    assert "TCD hires gamma" not in jobs.txt2img(0.3, 0.8, hr_sampler_name="Euler a", **hires).infotext
    other = jobs.txt2img(sampler_name="Euler a", hr_sampler_name="TCD", eta=1.2, **hires)
    assert "TCD gamma: 0.3" in other.infotext


def test_flow_models(jobs):
    assert jobs.refused(actions="flow") == messages.NOT_A_DIFFUSION_MODEL


def test_the_webuis_own_flow_prediction(jobs, webui):
    needs(webui.has_predictors, "predictors")
    jobs.txt2img(steps=1)  # loads the model
    assert jobs.refused(actions="flow-prediction") == messages.NOT_A_DIFFUSION_MODEL


def test_each_pass_checks_its_own_checkpoint(jobs, webui):
    """A hires pass with its own checkpoint may use TCD even if the first pass's checkpoint does not support it."""
    hires = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5, "hr_sampler_name": "TCD", "steps": 1}
    fields = {"sampler_name": "Euler a", "actions": "flow-first", **hires}
    own = {"hr_checkpoint_name": f"{webui.model}.safetensors"}
    assert f"{webui.hires_key} sampler: TCD" in jobs.txt2img(**fields, **own).infotext
    assert jobs.refused(**fields) == messages.NOT_A_DIFFUSION_MODEL


@pytest.mark.parametrize(("values", "shown"), [("0.5, 1.1", "1.1"), ("0.5, high", "'high'"), ("0.5-1.5 (+0.5)", "1.5")])
def test_the_plot_checks_its_values_first(jobs, webui, values, shown):
    reads_text = "opt.prepare" in webui.read_script("xyz_grid.py")
    needs(reads_text or "high" not in values, "way for an axis to check text")
    assert jobs.refused(**jobs.plot("[TCD] Gamma", values)) == bad_gamma("TCD gamma", shown)
