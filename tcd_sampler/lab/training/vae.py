"""Trains the miniature's autoencoder: images to latents of an eighth of their size, and back."""

from pathlib import Path
from typing import Any

import torch

from ..miniature.architecture import SCALE_FACTOR, build_vae
from ..miniature.drawing import draw_scene
from ..miniature.scenes import choose_scene
from ..precision import fast_precision
from .run import Run

BATCH = 8
SQUARES, EDGES, KL = 2.0, 0.5, 1e-4
"""Weights, beside 1 for the pixels' errors: of their squares, by which the colours of things are learned sooner, of
errors in the differences of neighbouring pixels, and of the latents' distribution."""

SCENES = 1 << 24
"""A step's scenes are drawn for it alone; this keeps their seeds apart from those of other runs."""


def draw_batch(first: int, count: int) -> torch.Tensor:
    """The images of so many scenes from a seed on, from -1 to 1."""
    images = [draw_scene(choose_scene(seed), seed) for seed in range(first, first + count)]
    return (torch.stack(images) * 2 - 1).contiguous(memory_format=torch.channels_last)


def differences(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images.diff(dim=-1), images.diff(dim=-2)


def get_loss(vae: Any, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """L1 and L2 of pixels, L1 of edges, and the KL divergence of the latents' distribution from a unit Gaussian."""
    with fast_precision():
        moments = vae.quant_conv(vae.encoder(images))
    mean, log_variance = moments.float().chunk(2, dim=1)
    log_variance = log_variance.clamp(-30, 20)
    latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    with fast_precision():
        decoded = vae.decoder(vae.post_quant_conv(latents))
    error = decoded.float() - images
    pixels = error.abs().mean()
    edges = sum((a.abs().mean() for a in differences(error)), torch.zeros(()))
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    squares = error.square().mean()
    return pixels + SQUARES * squares + EDGES * edges + KL * kl, {
        "pixels": float(pixels.detach()),
        "kl": float(kl.detach()),
    }


def normalise(vae: Any, images: torch.Tensor) -> None:
    """Scales the latents as SDXL's are, to unit variance times 1 / SCALE_FACTOR, by the convolutions round them."""
    with torch.no_grad():
        latents = vae.encode(images).latent_dist.mean
        mean = latents.mean((0, 2, 3))
        scale = 1 / (SCALE_FACTOR * latents.std((0, 2, 3)))
        size = len(mean)
        conv = vae.post_quant_conv
        conv.bias += conv.weight[:, :, 0, 0] @ mean
        conv.weight /= scale[:, None, None]
        conv = vae.quant_conv
        conv.weight[:size] *= scale[:, None, None, None]
        conv.bias[:size] = (conv.bias[:size] - mean) * scale
        conv.bias[size:] += 2 * scale.log()


def train_vae(folder: Path, steps: int, compiles: bool = True) -> Any:
    """The averaged autoencoder of a whole run."""
    torch.manual_seed(0)
    vae: Any = build_vae().to(memory_format=torch.channels_last)
    run = Run("vae", folder, vae, steps)
    if compiles and run.step < steps:  # twice as fast, for torch's GroupNorm is slow
        vae.encoder.compile()
        vae.decoder.compile()
    run.train(lambda step: get_loss(vae, draw_batch(SCENES + step * BATCH, BATCH)))
    return run.average.module
