"""Compares the final latents of a real WebUI and of diffusers' pipelines, in the uses that TCD's authors show.

Each test says what the pipelines get from the WebUI besides its noise. `pytest -s` prints the distances, which
docs/accuracy-and-speed.md lists.
"""

import json
from types import SimpleNamespace

import pytest
import torch
from diffusers import (
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    TCDScheduler,
)
from safetensors.torch import load_file, save_file

from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.miniature import CHECKPOINT, LORAS
from tcd_sampler.lab.miniature.layout import UNET

from .compare import LIMIT
from .jobs import mask
from .selection import long, needs
from .uses import SIZE, TCD, compare, drawing, encode, gammas, make_pipeline, make_scheduler, run

pytestmark = long

STYLE = f"<lora:{LORAS['lcm'].stem}:1>"
"""Stands in for a style LoRA. It only matters that both LoRAs are active."""


@pytest.fixture(scope="module")
def model():
    return load_miniature()


@pytest.fixture
def jobs(miniature, jobs):
    """Runs jobs with the miniature loaded."""
    return jobs


@gammas
@pytest.mark.parametrize("cfg_scale", [1, 2])
def test_text_to_image(jobs, model, gamma, cfg_scale):
    negative = "a white house"
    job, _ = run(jobs, "txt2img", gamma, TCD, cfg_scale=cfg_scale, negative_prompt=negative)
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLPipeline, model, make_scheduler())
    steps = {"num_inference_steps": 4, "guidance_scale": cfg_scale, "eta": gamma}
    with drawing(job):
        theirs = pipeline(**encode(model, negative), **steps, latents=job.noise).images
    compare(f"text-to-image, CFG {cfg_scale}, gamma {gamma}", job.final, theirs)


@gammas
def test_two_loras(jobs, model, gamma):
    job, _ = run(jobs, "txt2img", gamma, TCD + STYLE)
    model.unet.enable_lora()
    model.unet.set_adapters(["tcd", "lcm"], [1.0, 1.0])
    pipeline = make_pipeline(StableDiffusionXLPipeline, model, make_scheduler())
    steps = {"num_inference_steps": 4, "guidance_scale": 1, "eta": gamma}
    with drawing(job):
        theirs = pipeline(**encode(model), **steps, latents=job.noise).images
    compare(f"two LoRAs, gamma {gamma}", job.final, theirs)


def install_variant(webui, name, change_config, change_weights=lambda tensors: tensors):
    """Installs a checkpoint made from the miniature, and returns the setting that selects it."""
    folder = (webui.data / "models" / "Stable-diffusion").resolve()
    config = json.loads((folder / f"{CHECKPOINT.stem}.yaml").read_text(encoding="utf-8"))
    change_config(config["model"]["params"])
    (folder / f"{name}.yaml").write_text(json.dumps(config), encoding="utf-8")
    save_file(change_weights(load_file(CHECKPOINT)), folder / f"{name}.safetensors")
    assert webui.post("/sdapi/v1/refresh-checkpoints", {})[0] == 200
    return {"sd_model_checkpoint": f"{name}.safetensors"}


@gammas
def test_a_v_prediction_checkpoint(jobs, webui, model, gamma):
    """The miniature's weights are read as v-prediction. The result is no image, but must be the same on both sides.

    Such weights amplify rounding, by how much depends on the CPU.
    """

    def change(config):
        config["denoiser_config"]["params"]["scaling_config"]["target"] = (
            "sgm.modules.diffusionmodules.denoiser_scaling.VScaling"
        )

    overrides = install_variant(webui, "miniature-v", change)
    job, _ = run(jobs, "txt2img", gamma, TCD, steps=8, override_settings=overrides)
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLPipeline, model, make_scheduler(prediction_type="v_prediction"))
    steps = {"num_inference_steps": 8, "guidance_scale": 1, "eta": gamma}
    with drawing(job):
        theirs = pipeline(**encode(model), **steps, latents=job.noise).images
    compare(f"v-prediction, 8 steps, gamma {gamma}", job.final, theirs, limit=1e-4 if gamma else LIMIT)


TIMESTEPS = [639, 499, 379, 259, 139]
"""Timesteps of 8 steps at strength 0.5 in the WebUI, which runs int(0.5 * 8) + 1 steps. diffusers runs one fewer."""


@gammas
def test_image_to_image(jobs, model, gamma):
    """The pipeline gets the encoded image and the timesteps from the WebUI."""
    job, _ = run(jobs, "img2img", gamma, TCD, steps=8, denoising_strength=0.5)
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLImg2ImgPipeline, model, make_scheduler())
    steps = {"timesteps": TIMESTEPS, "strength": 1.0, "guidance_scale": 1, "eta": gamma}
    with drawing(job, "pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img"):
        theirs = pipeline(**take_out_size(encode(model)), **steps, image=job.x - job.sigma * job.noise).images
    compare(f"img2img, gamma {gamma}", job.final, theirs)


def take_out_size(fields):
    """Removes the size, which the img2img pipeline takes from the image."""
    return {name: value for name, value in fields.items() if name not in SIZE}


class BlendingScheduler(TCDScheduler):
    """Keeps the original in the denoised latents outside the mask, as A1111 does (sd_samplers_cfg_denoiser.py).

    diffusers' inpainting pipeline keeps the noised original after each step instead, and only for 4-channel UNets.
    """

    original = nmask = None

    def step(self, model_output, timestep, sample, eta, generator=None, return_dict=True):
        alpha = self.alphas_cumprod[timestep]
        denoised = (sample - (1 - alpha).sqrt() * model_output) / alpha.sqrt()
        denoised = torch.lerp(self.original, denoised, self.nmask)
        epsilon = (sample - alpha.sqrt() * denoised) / (1 - alpha).sqrt()
        return super().step(epsilon, timestep, sample, eta, generator, return_dict)


def make_blending(job, record):
    scheduler = make_scheduler(BlendingScheduler)
    scheduler.original = job.x - job.sigma * job.noise
    scheduler.nmask = torch.from_numpy(record["nmask"][0])
    return scheduler


@gammas
def test_inpainting(jobs, model, gamma):
    """Inpaints with a 4-channel checkpoint. The encoded image, the mask and its blending are the WebUI's."""
    job, record = run(jobs, "img2img", gamma, TCD, steps=8, denoising_strength=0.99, mask=mask(), mask_blur=0)
    scheduler = make_blending(job, record)
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLImg2ImgPipeline, model, scheduler)
    steps = {"num_inference_steps": 8, "strength": 1.0, "guidance_scale": 1, "eta": gamma}
    with drawing(job, "pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img"):
        theirs = pipeline(**take_out_size(encode(model)), **steps, image=scheduler.original).images
    theirs = torch.lerp(scheduler.original, theirs, scheduler.nmask)
    compare(f"inpainting, 4 channels, gamma {gamma}", job.final, theirs)


EXTRA = 0.02 * torch.randn(64, 5, 3, 3, generator=torch.Generator().manual_seed(0))
"""Weights of the first convolution for the mask and the masked image."""

FIRST = f"{UNET}input_blocks.0.0.weight"


def make_inpainting_model():
    model = load_miniature()
    conv = torch.nn.Conv2d(9, 64, 3, padding=1)
    conv.load_state_dict(
        {"weight": torch.cat([model.unet.conv_in.weight, EXTRA.half().float()], 1), "bias": model.unet.conv_in.bias}
    )
    model.unet.conv_in = conv.requires_grad_(False)
    model.unet.register_to_config(in_channels=9)
    return model


@gammas
def test_an_inpainting_checkpoint(jobs, webui, gamma):
    """Inpaints with 9 channels at strength 0.99. The initial latents, masked image and blending are the WebUI's."""
    needs(webui.has_sdxl_inpainting, "SDXL inpainting checkpoints")
    overrides = install_variant(
        webui,
        "miniature-inpainting",
        lambda config: config["network_config"]["params"].update(in_channels=9),
        lambda tensors: {**tensors, FIRST: torch.cat([tensors[FIRST], EXTRA.half()], 1)},
    )
    fields = {"steps": 8, "denoising_strength": 0.99, "mask": mask(), "mask_blur": 0, "override_settings": overrides}
    job, record = run(jobs, "img2img", gamma, TCD, **fields)
    model, scheduler = make_inpainting_model(), make_blending(job, record)
    model.use_lora("tcd")
    pipeline = make_pipeline(StableDiffusionXLInpaintPipeline, model, scheduler)
    condition = torch.from_numpy(record["image_cond"][0])
    masked = {
        "image": scheduler.original,
        "mask_image": condition[:, :1].repeat_interleave(8, 2).repeat_interleave(8, 3),
        "masked_image_latents": condition[:, 1:],
        "latents": job.x / (1 + job.sigma**2) ** 0.5,
    }
    steps = {"num_inference_steps": 8, "strength": 1.0, "guidance_scale": 1, "eta": gamma}
    with drawing(SimpleNamespace(noise=None, step_noise=job.step_noise)):
        theirs = pipeline(**encode(model), **steps, **masked).images
    theirs = torch.lerp(scheduler.original, theirs, scheduler.nmask)
    compare(f"inpainting, 9 channels, gamma {gamma}", job.final, theirs)
