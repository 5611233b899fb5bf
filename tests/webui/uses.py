"""Generates latents with the miniature in a WebUI, and with diffusers' own pipelines from the same noise.

The pipelines get the noise that the WebUI drew. Each side has its own text and size conditioning, guidance, LoRAs,
schedule and sampler.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from diffusers import TCDScheduler

from tcd_sampler.lab.miniature import LORAS
from tcd_sampler.lab.miniature.architecture import BETAS

from .compare import LIMIT, distance
from .jobs import CAPTION

SIZE = {"width": 128, "height": 128}
TCD = f"<lora:{LORAS['tcd'].stem}:1>"

gammas = pytest.mark.parametrize("gamma", [0.0, 0.3])


def make_pipeline(kind, model, scheduler, **options):
    parts = {"unet": model.unet, "scheduler": scheduler, **options}
    pipeline = kind(model.vae, None, None, None, None, add_watermarker=False, **parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_scheduler(kind=TCDScheduler, **options):
    return kind(**BETAS, **options)


@contextmanager
def drawing(job, pipeline=None):
    """Makes the scheduler draw the WebUI's step noise, and the pipeline's module the WebUI's initial noise."""
    noises = iter(job.step_noise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffusers.schedulers.scheduling_tcd.randn_tensor", lambda *_, **__: next(noises))
        if pipeline:
            patch.setattr(f"diffusers.{pipeline}.randn_tensor", lambda *_, **__: job.noise)
        yield


def encode(model, negative=""):
    text, uncond = model.encode([CAPTION], negative, 128, 128)
    return {
        "prompt_embeds": text["encoder_hidden_states"],
        "pooled_prompt_embeds": text["added_cond_kwargs"]["text_embeds"],
        "negative_prompt_embeds": uncond["encoder_hidden_states"],
        "negative_pooled_prompt_embeds": uncond["added_cond_kwargs"]["text_embeds"],
        **SIZE,
        "output_type": "latent",
    }


def read(record):
    """Returns a recorded job's noise, its latents before the first step, and its final latents."""
    first, *noises = torch.from_numpy(record["noise"])
    return SimpleNamespace(
        noise=first,
        step_noise=noises[1 - len(record["x"]) :],
        x=torch.from_numpy(record["x"][0]),
        sigma=float(record["sigma"][0]),
        final=torch.from_numpy(record["final"][-1]),
    )


def compare(name, ours, theirs, limit=LIMIT):
    print(f"\n{name}: {distance(ours, theirs):.1e}")
    assert distance(ours, theirs) <= limit
    assert theirs.std() > 0.3  # it is an image


def run(jobs, kind, gamma, prompt, **fields):
    fields = {"negative_prompt": "", "steps": 4, "cfg_scale": 1, **SIZE, **fields}
    record = getattr(jobs, kind)(gamma, prompt=CAPTION + prompt, record=True, **fields).record
    return read(record), record
