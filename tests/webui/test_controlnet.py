"""CFG 1 with sd-webui-controlnet, if it is installed."""

import pytest

from .compare import ALONE, BOTH, assert_half_the_batch_entries, assert_same, log
from .controlnet import MODES, with_unit, write_adapter
from .jobs import Jobs
from .selection import find_extension, long

NAME = "sd-webui-controlnet"
HIRES = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5}
KINDS = [{}, {"batch_size": 2}, HIRES]


@pytest.fixture(scope="module")
def webui(request, start_webui):
    with start_webui(find_extension(request, NAME)) as webui:
        write_adapter(webui.data / "models" / "ControlNet" / "t2i.safetensors")
        yield webui


@pytest.fixture(scope="module")
def jobs(webui, tmp_path_factory):
    return Jobs(webui, tmp_path_factory.mktemp("records"))


@pytest.mark.parametrize(
    ("mode", "more"),
    [
        *zip(MODES, KINDS),
        *(pytest.param(mode, kind, marks=long) for i in (1, 2) for mode, kind in zip(MODES, KINDS[i:] + KINDS[:i])),
    ],
)
def test_control_modes(jobs, webui, run_both, mode, more):
    [model] = webui.get("/controlnet/model_list")["model_list"]
    overrides = {"sd_model_checkpoint": "small-sd15.safetensors"}
    one, other = run_both(overrides=overrides, **with_unit(model=model, control_mode=mode), **more)
    assert (one.rows, other.rows) == (1, 2)
    assert set(log(one).split(".")) == {ALONE.strip("."), ""}
    assert_same(one, other)
    without = jobs.txt2img(override_settings=overrides, **more)
    assert abs(one.pixels - without.pixels).max() > 10


def test_a_preprocessor_that_replaces_the_attention(jobs, webui, run_both):
    plain = jobs.txt2img(record=True)
    one, other = run_both(**with_unit(module="reference_only", model="None"))
    assert log(one) == BOTH.format(f"{NAME} replaces the attention")
    assert one.rows == other.rows == 2
    assert abs(one.pixels - plain.pixels).max() > 10
    after, other = run_both()  # it has restored everything
    assert_half_the_batch_entries(after, other)
    assert_same(after, plain)


def test_images_that_share_their_style(jobs, webui, run_both):
    plain = jobs.txt2img(batch_size=3)
    set_style_align(webui, True)
    try:
        one, other = run_both(batch_size=3)
    finally:
        set_style_align(webui, False)
    assert log(one) == BOTH.format(f"{NAME} replaces the attention")
    assert one.rows == other.rows == 2
    assert_same(one, other)
    assert abs(one.pixels - plain.pixels).max() > 10


def set_style_align(webui, on):
    """Turns StyleAlign on or off for all following jobs. Requests have no field for it."""
    config = webui.get("/config")
    radio = webui.component_id("txt2img_controlnet_controlnet_batch_option_radio")
    changes = (i for i, event in enumerate(config["dependencies"]) if event["inputs"][:1] == [radio])
    data = ["All ControlNet units for all images in a batch", on]
    webui.post("/run/predict", {"fn_index": next(changes), "data": data, "session_hash": "test"})
