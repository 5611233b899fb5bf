"""Trains the classifier on images of all scenes, including the looks that are held out from the miniature."""

from pathlib import Path
from typing import cast

import torch
from torch.nn import functional

from ..evaluation.classifier import IGNORED, Classifier, get_labels
from ..miniature.drawing import draw_scene
from ..miniature.scenes import choose_scene
from ..precision import fast_precision
from .run import Run

BATCH = 48
SCENES = 1 << 28
"""Keeps the seeds of its scenes apart from those of other runs."""

BLUR = 0.5
"""The share of blurred images, so that the classifier does not depend on sharpness."""


def get_loss(classifier: Classifier, step: int) -> torch.Tensor:
    """Returns the sum of the labels' cross entropies, for a batch that depends on the step alone."""
    seeds = range(SCENES + step * BATCH, SCENES + (step + 1) * BATCH)
    scenes = [choose_scene(seed, held_out=seed % 4 == 0) for seed in seeds]
    images = torch.stack([draw_scene(scene, seed) for scene, seed in zip(scenes, seeds)]) * 2 - 1
    soft = functional.interpolate(functional.avg_pool2d(images, 2), scale_factor=2.0, mode="bilinear")
    images = torch.where(torch.rand(BATCH, 1, 1, 1) < BLUR, soft, images)
    images = images + 0.1 * torch.rand(BATCH, 1, 1, 1) * torch.randn_like(images)
    with fast_precision():
        answers = classifier(images.contiguous(memory_format=torch.channels_last))
    expected = torch.tensor([get_labels(scene) for scene in scenes])
    losses = [
        functional.cross_entropy(scores.float(), column, ignore_index=IGNORED)
        for scores, column in zip(answers, expected.T)
        if bool((column != IGNORED).any())
    ]
    return torch.stack(losses).sum()


def train_classifier(folder: Path, steps: int) -> Classifier:
    """Trains the classifier, or continues, and returns its weights' moving average."""
    torch.manual_seed(0)
    classifier = Classifier().to(memory_format=torch.channels_last)
    run = Run("classifier", folder, classifier, steps, decay=0.99)
    run.train(lambda step: (get_loss(classifier, step), {}))
    return cast(Classifier, run.average.module)
