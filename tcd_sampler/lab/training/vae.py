"""Trains the miniature's autoencoder, which encodes images to latents of 1/8 of their size."""

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
"""Weights of the loss terms beside the pixels' absolute error: squared error, which speeds up learning of colors, error
of the differences between adjacent pixels, and KL divergence."""

SCENES = 1 << 24
"""Keeps the seeds of the scenes, which are drawn for each step, apart from those of other runs."""


def draw_batch(first: int, count: int) -> torch.Tensor:
    """Returns the images of the scenes from seed first on: (count, 3, SIZE, SIZE), from -1 to 1."""
    images = [draw_scene(choose_scene(seed), seed) for seed in range(first, first + count)]
    return (torch.stack(images) * 2 - 1).contiguous(memory_format=torch.channels_last)


def differences(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the differences between adjacent pixels, along rows and columns."""
    return images.diff(dim=-1), images.diff(dim=-2)


def get_loss(vae: Any, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Returns the loss of images (batch, 3, SIZE, SIZE) from -1 to 1, and two of its terms for the log."""
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


def normalize(vae: Any, images: torch.Tensor) -> None:
    """Scales the latents of these images to unit variance times 1 / SCALE_FACTOR, as SDXL's are.

    Changes the weights of the convolutions after the encoder and before the decoder.
    """
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
    """Trains the autoencoder, or continues, and returns its moving average."""
    torch.manual_seed(0)
    vae: Any = build_vae().to(memory_format=torch.channels_last)
    run = Run("vae", folder, vae, steps)
    if compiles and run.step < steps:  # twice as fast, because torch's GroupNorm is slow
        vae.encoder.compile()
        vae.decoder.compile()
    run.train(lambda step: get_loss(vae, draw_batch(SCENES + step * BATCH, BATCH)))
    return run.average.module
