"""At CFG 1 the UNet evaluates one batch entry per image, if that does not change the image."""

import json

import numpy
import pytest

from .compare import ALONE, BOTH, assert_half_the_batch_entries, assert_same, log
from .jobs import OPTION, mask
from .selection import long, needs

LONG = ", ".join(["a red house by the sea"] * 20)
"""More than one chunk of tokens."""

HIRES = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5}


def test_one_unet_call_per_image(jobs):
    """This holds in every WebUI. Forge and its forks do it themselves."""
    assert jobs.txt2img(record=True, batch_size=2).rows == 1


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="txt2img"),
        pytest.param({"batch_size": 3}, id="batch"),
        pytest.param({"prompt": "a [house:ship:0.5] by the sea", "steps": 6}, id="prompt editing"),
        pytest.param({"kind": "img2img"}, id="img2img"),
        pytest.param({"kind": "img2img", "mask": mask(), "batch_size": 2}, id="inpainting"),
        pytest.param({"overrides": {"token_merging_ratio": 0.5}}, id="token merging", marks=long),
    ],
)
def test_jobs(run_both, fields):
    assert_half_the_batch_entries(*run_both(**fields))


def test_both_passes_of_hires_fix(run_both):
    one, other = run_both(**HIRES)
    assert (one.rows, other.rows) == (1, 2)
    assert (log(one), log(other)) == (2 * ALONE, 2 * BOTH.format(f"the setting {OPTION} is off"))
    assert_same(one, other)


@pytest.mark.parametrize("family", ["tiny-sdxl", pytest.param("small-sd15", marks=long)])
@pytest.mark.parametrize(
    "prompts",
    [{"negative_prompt": LONG}, pytest.param({"prompt": LONG}, marks=long)],
    ids=["long negative prompt", "long prompt"],
)
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"batch_cond_uncond": False},
        {"pad_cond_uncond": True},
        pytest.param({"pad_cond_uncond": True, "batch_cond_uncond": False}, marks=long),
        {"pad_cond_uncond_v0": True},
        {"s_min_uncond": 15.0},
        pytest.param({"s_min_uncond": 15.0, "s_min_uncond_all": True}, marks=long),
        {"skip_early_cond": 0.5},
        pytest.param({"skip_early_cond": 1.0, "batch_cond_uncond": False}, marks=long),
    ],
    ids=lambda overrides: ", ".join(overrides),
)
def test_settings(run_both, webui, overrides, prompts, family):
    """The host has settings for which batch entries it evaluates, and how. Some of them skip entries themselves."""
    for key in overrides:
        needs(webui.component(f"setting_{key}"), f"setting {key}")
    overrides = {**overrides, "sd_model_checkpoint": f"{family}.safetensors"}
    one, other = run_both(overrides=overrides, batch_size=2, **prompts)
    assert (log(one), one.rows) == (ALONE, 1)
    assert other.rows > 1 or overrides.get("skip_early_cond") == 1 or overrides.get("s_min_uncond_all")
    assert_same(one, other)


@long
def test_hypertile(run_both, webui):
    """HyperTile draws new tiles at each UNet call, so fewer calls would change the image."""
    needs(webui.component("setting_hypertile_enable_unet"), "HyperTile")
    overrides = {"sd_model_checkpoint": "small-sd15.safetensors", "hypertile_enable_unet": True}
    one, other = run_both(overrides=overrides, negative_prompt=LONG, width=512, height=256, steps=2)
    assert log(one) == BOTH.format("hypertile replaces the attention")
    assert_same(one, other)


@pytest.mark.parametrize("content", ["Prompt", "Negative prompt", "Combined"])
def test_live_previews(run_both, content):
    overrides = {"live_preview_content": content}
    assert_half_the_batch_entries(*run_both(overrides=overrides, negative_prompt=LONG))


def test_a_refiner(run_both, webui):
    refiner = {"refiner_checkpoint": f"{webui.model}-refiner.safetensors", "refiner_switch_at": 0.5}
    assert_half_the_batch_entries(*run_both(steps=6, **refiner))


@pytest.mark.parametrize(
    ("family", "overrides"),
    [
        ("small-sd15", {"s_min_uncond": 15.0}),
        ("tiny-sdxl", {}),
        pytest.param("small-sd15", {"batch_cond_uncond": False}, marks=long),
        pytest.param("tiny-sdxl", {"s_min_uncond": 15.0, "batch_cond_uncond": False}, marks=long),
    ],
)
def test_inpainting_checkpoints(jobs, webui, option, family, overrides):
    """NGMS makes the host skip negative prompts, which fails with these checkpoints."""
    needs(family == "small-sd15" or webui.has_sdxl_inpainting, "SDXL inpainting")
    overrides = {**overrides, "sd_model_checkpoint": f"{family}-inpaint.safetensors"}
    fields = {"mask": mask(), "batch_size": 2}
    one = jobs.img2img(record=True, override_settings=overrides, **fields)
    assert (log(one), one.rows) == (ALONE, 1)
    full = {**overrides, OPTION: False, "s_min_uncond": 0.0}
    other = jobs.img2img(record=True, override_settings=full, **fields)
    assert other.rows == 2
    one.info["infotexts"] = other.info["infotexts"]  # NGMS is in one of them
    assert_same(one, other)


@pytest.mark.parametrize(
    ("fields", "use"),
    [
        pytest.param({"cfg_scale": 2}, "the CFG scale is 2", id="CFG 2"),
        pytest.param({"prompt": "a house AND a ship"}, "the prompt uses AND or ends with a weight", id="composed"),
        pytest.param({"prompt": "a house :0.5"}, "the prompt uses AND or ends with a weight", id="weighted"),
    ],
)
def test_jobs_that_use_the_negative_prompt(jobs, run_both, fields, use):
    one, other = run_both(**fields)
    assert log(one) == BOTH.format(use)
    assert one.rows == other.rows >= 2
    assert_same(one, other)
    negative = jobs.txt2img(record=True, **{**fields, "negative_prompt": "a ship"})
    assert not numpy.allclose(negative.record["x"], one.record["x"])


def test_an_editing_checkpoint(run_both):
    overrides = {"sd_model_checkpoint": "small-sd15-edit.safetensors"}
    one, other = run_both("img2img", overrides=overrides, image_cfg_scale=1.5)
    assert log(one) == BOTH.format("the checkpoint edits images with its own guidance")
    assert one.rows == other.rows == 3
    assert_same(one, other)


@pytest.mark.parametrize(
    ("modification", "use"),
    [
        ("ask", "an extension requested the unconditional output"),
        ("listen", "probe listens to cfg_denoised"),
        ("strengthen", "the CFG scale is 2"),
        ("guide", "probe replaces the guidance"),
        ("replace_guidance", "probe replaces the guidance"),
        ("replace_blocks", "probe replaces the attention"),
        ("replace_attention", "probe replaces the attention"),
        ("hook_projection", "probe hooks the UNet"),
        ("hook_attention", "probe hooks the UNet"),
        ("hook_block", "probe hooks the UNet"),
        ("hook_unet", "probe hooks the UNet"),
        ("replace_evaluation", "probe replaces the model call"),
        ("animate", "probe replaces the model call"),
    ],
)
def test_extensions_that_use_the_negative_prompt(run_both, modification, use):
    fields = {"scripts": {"Modifier": {"args": [modification]}}}
    one, other = run_both(**fields)
    assert log(one).startswith("TCD evaluates the negative prompt: ")
    assert log(one).endswith(f"{use}.")
    assert one.rows == other.rows == 2
    assert_same(one, other)
    assert_half_the_batch_entries(*run_both())  # the change does not affect the next job


def test_an_unknown_denoiser_is_left_unchanged(run_both):
    one, other = run_both(scripts={"Modifier": {"args": ["replace_step"]}})
    said = "TCD leaves this WebUI's denoiser unchanged"
    assert log(one).startswith(said)
    assert log(other).startswith(said)
    assert one.rows == other.rows == 2
    assert_same(one, other)


def test_an_extension_that_calls_the_model_itself(run_both):
    one, other = run_both(scripts={"Modifier": {"args": ["evaluate"]}})
    assert (one.rows, other.rows) == (1 + 2, 2 + 2)
    assert_same(one, other)


def test_an_extension_that_replaces_the_unet(jobs, option):
    result = jobs.txt2img(scripts={"Modifier": {"args": ["replace_unet"]}})
    assert log(result) == BOTH.format("probe replaces the UNet")


@pytest.mark.parametrize("trouble", ["interrupt", "skip"])
def test_an_interrupted_job(run_both, trouble):
    one, other = run_both(steps=6, actions=trouble)
    assert len(one.record["denoised"]) < 6
    assert_same(one, other)


def test_a_failed_job_leaves_nothing_behind(jobs, webui, option):
    before = webui.get("/sdapi/v1/options")
    plain = jobs.txt2img(record=True)
    status, answer = jobs.post("txt2img", scripts={"Modifier": {"args": ["fail"]}})
    assert status == 500, answer
    assert webui.get("/sdapi/v1/options") == before
    again = jobs.txt2img(record=True)
    assert (again.rows, numpy.array_equal(again.record["x"], plain.record["x"])) == (1, True)
    assert again.infotext == plain.infotext


def test_settings_that_are_saved_during_a_job(jobs, webui, option):
    """Another request saves a setting while a job runs. Only that setting changes; the job continues as it began."""
    from concurrent.futures import ThreadPoolExecutor

    config = webui.data / "config.json"
    before = json.loads(config.read_text(encoding="utf-8"))
    try:
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(jobs.txt2img, steps=100, record=True)
            while not webui.get("/sdapi/v1/progress")["state"]["sampling_step"]:
                pass
            status, _ = webui.post("/sdapi/v1/options", {OPTION: False})
            assert status == 200
            assert json.loads(config.read_text(encoding="utf-8")) == {**before, OPTION: False}
            assert not job.done()
        assert job.result().rows == 1
        assert jobs.txt2img(record=True).rows == 2
    finally:
        webui.post("/sdapi/v1/options", {OPTION: True})


def test_other_samplers_are_unchanged(jobs, option):
    assert jobs.txt2img(sampler_name="Euler a", record=True).rows == 2
