"""Compares ControlNet and IP-Adapter with TCD, as its authors show them, in A1111 and in diffusers' pipelines.

sd-webui-controlnet builds models of SDXL's sizes only. The tests use a copy with the miniature's sizes. The models are
random. Neither preprocessors nor an image encoder run: the control image is used unchanged, and the IP-Adapter gets an
encoded image.
"""

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionXLControlNetPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file

from tcd_sampler.lab.demo.generation import to_tensor
from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.miniature.architecture import SIZE_WIDTH, TEXT_WIDTH, UNET

from .controlnet import with_unit
from .controlnet_models import draw_encoded_image, ip_adapter, make, make_encoded_image
from .extension_copies import copy_extension, replace
from .jobs import Jobs, decode, make_image
from .selection import MINIATURE, find_extension, long, needs
from .uses import TCD, compare, drawing, encode, gammas, make_pipeline, make_scheduler, run

pytestmark = long

SCALE = 0.5
CONTROLNET, IP_ADAPTER = "control_sdxl_miniature", "ip-adapter_sdxl"
WIDTHS = [128] * 11
"""Widths of the UNet's cross-attentions, in the order down, up, middle."""

CONFIG = {
    **{"adm_in_channels": 6 * SIZE_WIDTH, "context_dim": 2 * TEXT_WIDTH, "model_channels": 64},
    **{"channel_mult": [1, 2, 2], "attention_resolutions": [2, 4], "transformer_depth": [0, 1, 1]},
    **{"num_head_channels": 32},
}
CHANGES = {
    "scripts/controlnet_model_guess.py": [
        ("copy.deepcopy(controlnet_sdxl_mid_config)", f"{{**controlnet_sdxl_mid_config, **{CONFIG}}}")
    ],
    "scripts/ipadapter/ipadapter_model.py": [
        ("sdxl = cross_attention_dim == 2048", f"sdxl = cross_attention_dim == {2 * TEXT_WIDTH}")
    ],
    "scripts/enums.py": [
        ("range(2) if block_id in [4, 5] else range(10)", "range(1)"),
        ("range(2) if block_id in [3, 4, 5] else range(10)", "range(1)"),
        ("for index in range(10)", "for index in range(1)"),
    ],
}
"""Changes to the copy: model sizes, and the number of transformers in each block."""


def make_controlnet():
    """Returns a ControlNet with random weights. Its last layers are random too; in an untrained one they are zero."""
    torch.manual_seed(0)
    shared = ("in_channels", "down_block_types", "block_out_channels", "layers_per_block", "cross_attention_dim")
    shared += ("attention_head_dim", "use_linear_projection", "addition_embed_type", "addition_time_embed_dim")
    shared += ("projection_class_embeddings_input_dim",)
    controlnet = ControlNetModel(**{name: UNET[name] for name in shared}).requires_grad_(False)
    last = [*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block]
    for layer in (*last, controlnet.controlnet_cond_embedding.conv_out):
        layer.weight.normal_(std=layer.weight[0].numel() ** -0.5)
    return controlnet.eval()


def make_ip_adapter():
    """Returns the tensors of an IP-Adapter's file."""
    return {name: tensor.float() for name, tensor in make(ip_adapter(WIDTHS, 2 * TEXT_WIDTH), 0).items()}


def group(tensors):
    """Returns an IP-Adapter's tensors in groups, as diffusers takes them."""
    groups = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = tensor
    return groups


@pytest.fixture(scope="module")
def webui(request, start_webui, tmp_path_factory):
    copy = copy_extension(find_extension(request, "sd-webui-controlnet"), tmp_path_factory.mktemp("extension"))
    for name, changes in CHANGES.items():
        replace(copy / name, *changes)
    with start_webui(copy) as webui:
        needs(webui.is_configured, MINIATURE)
        folder = webui.data / "models" / "ControlNet"
        folder.mkdir(parents=True, exist_ok=True)
        save_file(make_controlnet().state_dict(), folder / f"{CONTROLNET}.safetensors")
        save_file(make_ip_adapter(), folder / f"{IP_ADAPTER}.safetensors")
        yield webui


@pytest.fixture(scope="module")
def jobs(webui, tmp_path_factory):
    return Jobs(webui, tmp_path_factory.mktemp("records"))


@pytest.fixture
def control(miniature, jobs, webui):
    """Runs a job of 4 steps with a unit, which must change the latents."""

    def control(model, gamma, **unit):
        [name] = [name for name in webui.get("/controlnet/model_list")["model_list"] if name.startswith(model)]
        job, _ = run(jobs, "txt2img", gamma, TCD, **with_unit(model=name, weight=SCALE, **unit))
        plain, _ = run(jobs, "txt2img", gamma, TCD)
        assert (job.final - plain.final).norm() > 0.03 * plain.final.norm()
        return job

    return control


@gammas
def test_controlnet(control, gamma):
    job = control(CONTROLNET, gamma)
    model = load_miniature()
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLControlNetPipeline, model, make_scheduler(), controlnet=make_controlnet())
    image = to_tensor(decode(make_image()))[None] / 255
    steps = {"num_inference_steps": 4, "guidance_scale": 1, "eta": gamma, "controlnet_conditioning_scale": SCALE}
    with drawing(job):
        theirs = pipeline(**encode(model), **steps, image=image, latents=job.noise).images
    compare(f"ControlNet, gamma {gamma}", job.final, theirs)


@gammas
def test_ip_adapter(control, gamma):
    encoded = {"module": "ip-adapter-auto", "image": None, "ipadapter_input": make_encoded_image()}
    job = control(IP_ADAPTER, gamma, **encoded)
    model = load_miniature()
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLPipeline, model, make_scheduler())
    pipeline.load_ip_adapter(group(make_ip_adapter()), None, None, image_encoder_folder=None, low_cpu_mem_usage=False)
    pipeline.set_ip_adapter_scale(SCALE)
    steps = {"num_inference_steps": 4, "guidance_scale": 1, "eta": gamma}
    with drawing(job):
        images = {"ip_adapter_image_embeds": [draw_encoded_image()[None]], "latents": job.noise}
        theirs = pipeline(**encode(model), **steps, **images).images
    compare(f"IP-Adapter, gamma {gamma}", job.final, theirs)
