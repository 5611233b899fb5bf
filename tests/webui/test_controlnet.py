"""CFG 1 with sd-webui-controlnet, where the WebUI has it among its extensions."""

import pytest
import torch
from safetensors.torch import save_file

from .conftest import find_extension, long
from .jobs import Jobs, picture
from .test_single_pass import ALONE, BOTH, HIRES, assert_half_the_rows, assert_same, log

NAME = "sd-webui-controlnet"
KINDS = [{}, {"batch_size": 2}, HIRES]
MODES = ["Balanced", "My prompt is more important", "ControlNet is more important"]


@pytest.fixture(scope="module")
def webui(request, start_webui):
    with start_webui(find_extension(request, NAME)) as webui:
        write_adapter(webui.data / "models" / "ControlNet" / "t2i.safetensors")
        yield webui


@pytest.fixture(scope="module")
def jobs(webui, tmp_path_factory):
    return Jobs(webui, tmp_path_factory.mktemp("records"))


def write_adapter(file, width=320, gain=4.0):
    """A T2I-Adapter for a UNet of one level: to each latent's pixel it adds how bright the picture is there."""
    conv_in = torch.zeros(width, 192, 3, 3)  # three colours of 8x8 pixels
    signs = torch.where(torch.rand(width, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    conv_in[:, :, 1, 1] = gain / 192 * signs[:, None]
    weights = {"conv_in.weight": conv_in, "conv_in.bias": torch.zeros(width)}
    for i in (0, 1):  # the residual blocks add nothing
        weights[f"body.{i}.block2.weight"] = torch.zeros(width, width, 1, 1)
        weights[f"body.{i}.block2.bias"] = torch.zeros(width)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: weight.half() for key, weight in weights.items()}, file)


def with_unit(**unit):
    """The fields of a job with one unit."""
    unit = {"enabled": True, "module": "none", "image": picture(), "save_detected_map": False, **unit}
    return {"scripts": {"ControlNet": {"args": [unit]}}}


@pytest.mark.parametrize(
    ("mode", "more"),
    [
        *zip(MODES, KINDS),
        *(pytest.param(mode, kind, marks=long) for i in (1, 2) for mode, kind in zip(MODES, KINDS[i:] + KINDS[:i])),
    ],
)
def test_modes(jobs, webui, run_both, mode, more):
    [model] = webui.get("/controlnet/model_list")["model_list"]
    overrides = {"sd_model_checkpoint": "small-sd15.safetensors"}
    one, other = run_both(overrides=overrides, **with_unit(model=model, control_mode=mode), **more)
    assert (one.rows, other.rows) == (1, 2)
    assert set(log(one).split(".")) == {ALONE.strip("."), ""}
    assert_same(one, other)
    without = jobs.txt2img(override_settings=overrides, **more)
    assert abs(one.pixels - without.pixels).max() > 10


def test_a_preprocessor_with_an_attention_of_its_own(jobs, webui, run_both):
    plain = jobs.txt2img(record=True)
    one, other = run_both(**with_unit(module="reference_only", model="None"))
    assert log(one) == BOTH.format("an extension has an attention of its own")
    assert one.rows == other.rows == 2
    assert abs(one.pixels - plain.pixels).max() > 10
    after, other = run_both()  # it has put everything back
    assert_half_the_rows(after, other)
    assert_same(after, plain)


def test_pictures_that_share_their_style(jobs, webui, run_both):
    plain = jobs.txt2img(batch_size=3)
    set_style_align(webui, True)
    try:
        one, other = run_both(batch_size=3)
    finally:
        set_style_align(webui, False)
    assert log(one) == BOTH.format("an extension has an attention of its own")
    assert one.rows == other.rows == 2
    assert_same(one, other)
    assert abs(one.pixels - plain.pixels).max() > 10


def set_style_align(webui, on):
    """For all jobs from now on; there is no such thing in requests."""
    config = webui.get("/config")
    radio = webui.component_id("txt2img_controlnet_controlnet_batch_option_radio")
    changes = (i for i, event in enumerate(config["dependencies"]) if event["inputs"][:1] == [radio])
    data = ["All ControlNet units for all images in a batch", on]
    webui.post("/run/predict", {"fn_index": next(changes), "data": data, "session_hash": "test"})
