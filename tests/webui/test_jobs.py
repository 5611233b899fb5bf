"""Runs every kind of job with TCD, and checks what the WebUI writes about them."""

import re

import numpy
import pytest
import webuiapi

from tcd_sampler import messages

from .jobs import NOTHING, mask
from .selection import FIX_STEPS, long, needs


def assert_is_an_image(result):
    assert result.pixels.std() > 1
    assert "Sampler: TCD" in result.infotext


SCHEDULES = ["Automatic", "Karras", "Uniform", "SGM Uniform", "Simple", "Align Your Steps"]


def test_the_infotext(jobs, webui):
    result = jobs.txt2img(0.25)
    assert_is_an_image(result)
    # without a list of schedules, this is the key of the host's setting for all samplers
    assert ("Schedule type: TCD" in result.infotext) == webui.has_schedules
    assert "TCD gamma: 0.25" in result.infotext
    assert "TCD hires gamma" not in result.infotext
    assert not re.search(r"\bEta:", result.infotext)


def test_the_alias_names_the_sampler_too(jobs):
    assert "Sampler: TCD," in jobs.txt2img(sampler_name="tcd").infotext


@pytest.mark.parametrize(
    ("scheduler", "steps"),
    [
        ("Automatic", 4),
        ("Karras", 4),
        *(pytest.param(name, 4, marks=long) for name in ("Uniform", "SGM Uniform", "Simple", "Align Your Steps")),
        *(pytest.param(name, 1, marks=long) for name in SCHEDULES),
        *(pytest.param(name, 60, marks=long) for name in SCHEDULES),
    ],
)
def test_schedules(jobs, webui, scheduler, steps):
    needs(webui.has_schedules, "list of schedules")
    needs(scheduler in webui.schedules, f"schedule {scheduler}")
    result = jobs.txt2img(scheduler=scheduler, steps=steps, record=True)
    assert_is_an_image(result)
    assert f"Schedule type: {'TCD' if scheduler == 'Automatic' else scheduler}" in result.infotext
    assert len(result.record["x"]) == steps


@pytest.mark.parametrize(
    "schedule",
    ["karras", "TCD", "SGM Uniform", *(pytest.param(name, marks=long) for name in ("exponential", "polyexponential"))],
)
def test_the_setting_for_schedules(jobs, webui, schedule):
    """WebUIs without a list of schedules have a setting. Unknown values come from other WebUIs' images."""
    needs(not webui.has_schedules, "setting in place of a list of schedules")
    result = jobs.txt2img(override_settings={"k_sched_type": schedule}, record=True)
    assert_is_an_image(result)
    own = jobs.txt2img(record=True).record["sigma"].ravel()
    assert (result.record["sigma"].ravel() == pytest.approx(own)) == (schedule in ("TCD", "SGM Uniform"))
    said = messages.UNKNOWN_SCHEDULE.format(schedule="'SGM Uniform'")
    assert (said in result.info["extra_generation_params"]["comments"]) == (schedule == "SGM Uniform")


def test_tcds_schedule_with_another_sampler(jobs, webui):
    schedule = {"scheduler": "TCD"} if webui.has_schedules else {"override_settings": {"k_sched_type": "TCD"}}
    result = jobs.txt2img(sampler_name="Euler a", **schedule, record=True)
    assert "Schedule type: TCD" in result.infotext
    assert "TCD gamma" not in result.infotext
    assert result.record["sigma"].ravel() == pytest.approx(jobs.txt2img(record=True).record["sigma"].ravel())


@pytest.mark.parametrize(
    ("strength", "fix_steps", "calls"),
    [(0.5, False, 5), pytest.param(0.5, True, 8, marks=long), (0.01, True, 8), pytest.param(1, True, 8, marks=long)],
)
def test_img2img(jobs, webui, strength, fix_steps, calls):
    """At strength 0.01 and with exactly the requested steps, the host uses the last ones of a schedule of 800 steps."""
    needs(fix_steps or webui.can_fix_steps, FIX_STEPS)
    overrides = {"img2img_fix_steps": fix_steps}
    result = jobs.img2img(steps=8, denoising_strength=strength, record=True, override_settings=overrides)
    assert_is_an_image(result)
    assert len(result.record["x"]) == calls


@long
def test_img2img_at_strength_0(jobs):
    overrides = {"img2img_fix_steps": True}
    assert_is_an_image(jobs.img2img(denoising_strength=0, override_settings=overrides))


@pytest.mark.parametrize(
    ("fill", "only_masked"),
    [
        (1, False),
        (2, True),
        *(pytest.param(fill, False, marks=long) for fill in (0, 2, 3)),
        *(pytest.param(fill, True, marks=long) for fill in (0, 1, 3)),
    ],
)
def test_inpainting(jobs, fill, only_masked):
    result = jobs.img2img(mask=mask(), inpainting_fill=fill, inpaint_full_res=only_masked, mask_blur=0)
    assert_is_an_image(result)
    other = jobs.img2img(mask=mask(), inpainting_fill=fill, inpaint_full_res=only_masked, mask_blur=0, seed=8)
    changed = numpy.abs(result.pixels - other.pixels)[0]
    assert changed[:16].max() == 0
    assert changed[48:80, 48:80].max() > 0


@pytest.mark.parametrize("family", ["small-sd15", "SDXL"])
def test_an_inpainting_checkpoint(jobs, webui, family):
    needs(family == "small-sd15" or webui.model != "small-sd15", "SDXL checkpoint as small as the tests'")
    needs(family == "small-sd15" or webui.has_sdxl_inpainting, "SDXL inpainting")
    model = webui.model if family == "SDXL" else family
    overrides = {"sd_model_checkpoint": f"{model}-inpaint.safetensors"}
    assert_is_an_image(jobs.txt2img(override_settings=overrides))
    assert_is_an_image(jobs.img2img(mask=mask(), override_settings=overrides))


def test_soft_inpainting(jobs, webui):
    needs((webui.folder / "extensions-builtin" / "soft-inpainting").exists(), "soft inpainting")
    soft = {"Soft Inpainting": {"args": [True, 1, 0.5, 4, 0, 0.5, 2]}}
    result = jobs.img2img(mask=mask(), mask_blur=4, scripts=soft)
    assert_is_an_image(result)
    assert "Soft inpainting enabled: True" in result.infotext


def test_hires_fix(jobs):
    hires = {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.6}
    result = jobs.txt2img(0.2, 0.8, hr_second_pass_steps=3, **hires)
    assert_is_an_image(result)
    assert result.images[0].size == (256, 256)
    assert "TCD gamma: 0.2" in result.infotext
    assert "TCD hires gamma: 0.8" in result.infotext
    hires.update(hr_scale=1, steps=1)
    assert "TCD hires gamma" not in jobs.txt2img(0.2, "same", **hires).infotext
    assert "TCD hires gamma" not in jobs.txt2img(0.2, None, **hires).infotext
    assert "TCD hires gamma" not in jobs.txt2img(0.2, 0.2, **hires).infotext
    assert "TCD hires gamma: 0.5" in jobs.txt2img(0.2, "0.5", **hires).infotext


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("TCD", "Euler a"),
        ("Euler a", "TCD"),
        pytest.param("DDIM", "TCD", marks=long),
        pytest.param("TCD", "LCM", marks=long),
    ],
)
def test_hires_fix_with_another_sampler_in_either_pass(jobs, webui, first, second):
    needs({first, second} <= webui.samplers, f"{first if second == 'TCD' else second}")
    fields = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.6, "sampler_name": first}
    result = jobs.txt2img(0.2, 0.8, hr_sampler_name=second, **fields)
    assert result.pixels.std() > 1
    assert f"Sampler: {first}" in result.infotext
    assert f"{webui.hires_key} sampler: {second}" in result.infotext
    assert "TCD gamma: 0.2" in result.infotext
    other = jobs.txt2img(0.9, 0.8, hr_sampler_name=second, **fields)
    same = numpy.array_equal(result.pixels, other.pixels)
    assert same == (first != "TCD")  # only a pass with TCD uses its gamma


def test_a_refiner(jobs, webui):
    refiner = f"{webui.model}-refiner"
    # without this setting, one host switches at a noise level
    overrides = {"refiner_use_steps": True} if webui.component("setting_refiner_use_steps") else {}
    fields = {"refiner_checkpoint": f"{refiner}.safetensors", "refiner_switch_at": 0.5, "override_settings": overrides}
    result = jobs.txt2img(steps=6, **fields)
    assert_is_an_image(result)
    assert not numpy.array_equal(result.pixels, jobs.txt2img(steps=6).pixels)
    assert f"Refiner: {refiner}" in result.infotext


@pytest.mark.parametrize("cfg_scale", [pytest.param(1, marks=long), 3])
@pytest.mark.parametrize(
    "prompt", ["a [house:ship:0.5] by the sea", "a house AND a ship :0.5", "a (house:1.3) BREAK sea"]
)
def test_prompt_syntax(jobs, prompt, cfg_scale):
    result = jobs.txt2img(prompt=prompt, cfg_scale=cfg_scale)
    assert_is_an_image(result)
    assert not numpy.array_equal(result.pixels, jobs.txt2img(cfg_scale=cfg_scale).pixels)


@long
def test_batches(jobs):
    result = jobs.txt2img(batch_size=2, n_iter=2, override_settings={"return_grid": False})
    assert len(result.images) == 4
    assert len({image.tobytes() for image in result.images}) == 4
    assert all("TCD gamma: 0.3" in text for text in result.info["infotexts"])


@long
def test_sd_upscale(jobs, webui):
    arguments = webui.script_arguments(
        "sd_upscale.py", overlap=64, upscaler_index="Lanczos", scale_factor=2, scale=2, width=128, height=128
    )
    result = jobs.img2img(script_name="SD upscale", script_args=arguments, denoising_strength=0.5)
    assert_is_an_image(result)
    assert result.images[0].size == (256, 256)
    assert "TCD gamma: 0.3" in result.infotext


def plot(*axes, jobs, tcd=(), **fields):
    """Returns the infotexts of an X/Y/Z plot's cells."""
    return jobs.txt2img(*tcd, **{"steps": 1, **jobs.plot(*axes), **fields}).info["infotexts"][1:]


def test_the_plots_axes(jobs):
    cells = plot("[TCD] Gamma", "0, 0.5, 1", jobs=jobs)
    assert [re.search("TCD gamma: ([0-9.]+)", text)[1] for text in cells] == ["0.0", "0.5", "1.0"]
    cells = plot("[TCD] Gamma", "0.1-0.3 (+0.1)", jobs=jobs)
    assert [re.search("TCD gamma: ([0-9.]+)", text)[1] for text in cells][:3] == ["0.1", "0.2", "0.3"]
    cells = plot("[TCD] Gamma", "0-1 [3]", jobs=jobs)
    assert [re.search("TCD gamma: ([0-9.]+)", text)[1] for text in cells] == ["0.0", "0.5", "1.0"]
    hires = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5}
    cells = plot("[TCD] Hires gamma", "0.3, 0.5", jobs=jobs, **hires)
    assert ["TCD hires gamma: 0.5" in text for text in cells] == [False, True]


def test_no_value_leaks_into_the_plots_next_cell(jobs):
    cells = plot("Sampler", "TCD, Euler a, TCD", "[TCD] Gamma", "0.1, 0.2", jobs=jobs)
    gammas = [re.search("TCD gamma: ([0-9.]+)", text) for text in cells]
    assert [gamma and gamma[1] for gamma in gammas] == ["0.1", None, "0.1", "0.2", None, "0.2"]
    assert "TCD gamma: 0.3" in jobs.txt2img().infotext


def test_a_pasted_infotext(jobs, webui):
    needs(webui.can_paste, "infotext in requests")
    text = jobs.txt2img(0.65, 0.15, enable_hr=True, hr_scale=1, denoising_strength=0.5).infotext
    # the host reads "Use same sampler" from it, and then finds no sampler of that name
    fields = {"sampler_name": NOTHING, "steps": NOTHING, "hr_sampler_name": "TCD", "hr_scheduler": "TCD"}
    pasted = jobs.txt2img(infotext=text, **fields)
    assert "Sampler: TCD" in pasted.infotext
    assert "TCD gamma: 0.65" in pasted.infotext
    assert "TCD hires gamma: 0.15" in pasted.infotext
    assert "TCD gamma: 0.4" in jobs.txt2img(0.4, infotext=text, **fields).infotext


def test_the_infotext_in_the_image_file(jobs):
    image = jobs.txt2img(0.65).images[0]
    assert "TCD gamma: 0.65" in image.text["parameters"]


@pytest.fixture
def default_gamma(webui):
    """Sets the default gamma to another value."""
    webui.post("/sdapi/v1/options", {"tcd_default_gamma": 0.55})
    yield 0.55
    webui.post("/sdapi/v1/options", {"tcd_default_gamma": 0.3})


def test_the_default_comes_from_the_settings(jobs, default_gamma):
    assert "TCD gamma: 0.55" in jobs.txt2img().infotext
    assert "TCD gamma: 0.1" in jobs.txt2img(0.1).infotext
    assert "TCD gamma: 0.7" in jobs.txt2img(override_settings={"tcd_default_gamma": 0.7}).infotext


def test_jobs_without_the_script_use_the_settings_default(jobs, default_gamma):
    """Inner passes of other extensions run without the script."""
    inner = jobs.txt2img(script_name="Probe inner job", script_args=[])
    assert "TCD gamma: 0.55" in inner.infotext
    assert numpy.array_equal(inner.pixels, jobs.txt2img(negative_prompt="").pixels)


def test_a_sampler_renamed_by_another_extension_keeps_gamma(jobs, default_gamma):
    assert "TCD gamma: 0.1" in jobs.txt2img(0.1, actions="rename").infotext


def test_eta_sets_gamma(jobs):
    assert "TCD gamma: 0.45" in jobs.txt2img(eta=0.45, steps=1).infotext
    result = jobs.txt2img(0.2, eta=0.45, steps=1)
    assert "TCD gamma: 0.2" in result.infotext
    assert messages.ETA_NOT_USED.format(gamma=0.2, eta=0.45) in result.info["extra_generation_params"]["comments"]
    assert "eta" not in jobs.txt2img(0.2, eta=0.2, steps=1).info["extra_generation_params"]["comments"]


def test_a_real_client(webui):
    needs(webui.accepts_tiling, "requests that turn tiling off, as this client's do")
    client = webuiapi.WebUIApi(port=webui.port)
    result = client.txt2img(
        prompt="a house", sampler_name="TCD", steps=4, cfg_scale=1, width=128, height=128, seed=7,
        alwayson_scripts={"TCD": {"args": [0.35]}},
    )  # fmt: skip
    assert "Sampler: TCD" in result.info["infotexts"][0]
    assert "TCD gamma: 0.35" in result.info["infotexts"][0]


def test_api_lists(webui):
    samplers = [sampler for sampler in webui.get("/sdapi/v1/samplers") if sampler["name"] == "TCD"]
    assert [sampler["aliases"] for sampler in samplers] == [["tcd"]]
    if webui.has_schedules:
        schedules = [schedule for schedule in webui.get("/sdapi/v1/schedulers") if schedule["label"] == "TCD"]
        assert [schedule["name"] for schedule in schedules] == ["tcd"]
    if webui.describes_scripts:
        scripts = [script for script in webui.get("/sdapi/v1/script-info") if script["name"] == "tcd"]
        labels = [[argument["label"] for argument in script["args"]] for script in scripts]
        assert labels == [["TCD gamma", "TCD hires gamma", "TCD preset"]] * 2
    assert webui.component("setting_tcd_default_gamma")["value"] == 0.3


def test_progress_and_preview(jobs, webui):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(jobs.txt2img, steps=30)
        seen = []
        while not job.done():
            seen.append(webui.get("/sdapi/v1/progress"))
        assert_is_an_image(job.result())
    assert max(progress["progress"] for progress in seen) > 0.2
    assert any(progress["current_image"] for progress in seen)
    assert {progress["state"]["sampling_steps"] for progress in seen} >= {30}


@long
def test_zero_terminal_snr(jobs, webui):
    needs(webui.component("setting_sd_noise_schedule"), "zero-terminal-SNR setting")
    needs(webui.has_v_prediction, "v-prediction in a checkpoint this small")
    overrides = {"sd_noise_schedule": "Zero Terminal SNR", "sd_model_checkpoint": f"{webui.model}-v.safetensors"}
    for steps in (1, 4, 60):
        assert_is_an_image(jobs.txt2img(steps=steps, override_settings=overrides))
    assert_is_an_image(jobs.img2img(override_settings=overrides))
