"""The images that are measured: generated ones, and real ones."""

from collections.abc import Iterator

import torch

from ..demo.generation import PIXELS_PER_LATENT, sample
from ..demo.model import GuidedDenoiser, Model
from ..miniature.drawing import SIZE, draw_scene
from ..miniature.scenes import Scene, choose_scene
from ..precision import fast_precision
from .classifier import Classifier
from .methods import Method

BATCH = 64

SCENES = 1 << 30
"""Keeps the seeds of the captions apart from those of the training runs."""

Batches = Iterator[torch.Tensor]
"""Images (batch, 3, SIZE, SIZE) from -1 to 1."""


def get_captions(count: int, seed: int = SCENES) -> list[Scene]:
    """Returns scenes whose looks are in no training scene."""
    return [choose_scene(i, held_out=True) for i in range(seed, seed + count)]


@torch.no_grad()
def generate_images(model: Model, method: Method, scenes: list[Scene], unet_calls: int) -> Batches:
    """Yields an image of each scene, from the same noise for every method."""
    model.use_lora(method.sampler.lora)
    guidance = 1.0 if method.sampler.lora else model.guidance
    side = SIZE // PIXELS_PER_LATENT
    for first in range(0, len(scenes), BATCH):
        captions = [scene.caption for scene in scenes[first : first + BATCH]]
        denoiser = GuidedDenoiser(model, *model.encode(captions, "", SIZE, SIZE), guidance)
        generator = torch.Generator().manual_seed(first)
        shape = (len(captions), 4, side, side)
        with fast_precision():
            latents = sample(denoiser, method.sampler, unet_calls // method.order, shape, generator, method.gamma)
            images = model.to_images(latents)
        yield images


def draw_real(scenes: list[Scene], repeat: int = 0) -> Batches:
    """Yields a real image of each scene. Each repeat draws others."""
    seed = SCENES + repeat * len(scenes)
    for first in range(0, len(scenes), BATCH):
        batch = list(enumerate(scenes, seed))[first : first + BATCH]
        yield torch.stack([draw_scene(scene, i) for i, scene in batch]) * 2 - 1


def encode_images(model: Model, batches: Batches) -> Batches:
    """Yields the images as the autoencoder gives them back."""
    for images in batches:
        with fast_precision():
            encoded = model.to_images(model.to_latents(images))
        yield encoded


def get_features(classifier: Classifier, batches: Batches) -> torch.Tensor:
    """Returns the features of all images, (images, FEATURES)."""
    return torch.cat([classifier.get_features(images) for images in batches])
