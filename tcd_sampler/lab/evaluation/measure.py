"""Measures the images of every method, one point at a time: a method with a number of UNet calls."""

from collections.abc import Iterator
from functools import cached_property

import torch

from ...errors import UserError
from .. import messages
from ..demo.miniature import load_miniature
from ..demo.samplers import LCM
from .classifier import get_accuracy, load_classifier
from .detail import get_fine_contrast, get_jpeg_bits
from .diversity import get_precision_and_recall
from .images import Batches, draw_real, encode_images, generate_images, get_captions, get_features
from .methods import DEFAULT, DPM_2S, ENCODED, METHODS, REAL, get_name
from .results import ACCURACY, BITS, CONTRAST, FEATURES, PRECISION, RECALL, REFERENCE, Results

REPEATS = 8
"""Reference images for each caption. They and the generated images have the same captions, so captions add nothing to
the distance."""

SAME_CAPTION = 48
"""The images of each caption for precision and recall."""

DIVERSE_CAPTIONS = 16
"""The number of captions for precision and recall: the first ones."""

DIVERSE = [(ENCODED, 0), (DEFAULT, 4), (get_name(1), 4), (LCM.name, 4), (DEFAULT, 16), (DPM_2S.name, 16)]
"""The points whose precision and recall are measured."""


class Evaluation:
    """What all points have in common: the captions, the model and the classifier."""

    def __init__(self, captions: int) -> None:
        self.scenes = get_captions(captions)
        self.diverse_scenes = [scene for scene in self.scenes[:DIVERSE_CAPTIONS] for _ in range(SAME_CAPTION)]
        self.model, self.classifier = load_miniature(), load_classifier()

    @cached_property
    def diverse_real(self) -> torch.Tensor:
        """The features of real images of the first captions, (captions, images, features)."""
        return self.get_diverse_features(draw_real(self.diverse_scenes))

    def get_diverse_features(self, batches: Batches) -> torch.Tensor:
        return get_features(self.classifier, batches).unflatten(0, (-1, SAME_CAPTION))

    def generate(self, name: str, unet_calls: int, diverse: bool = False) -> Batches:
        scenes = self.diverse_scenes if diverse else self.scenes
        if name in (REAL, ENCODED):
            real = draw_real(scenes, repeat=REPEATS)
            return encode_images(self.model, real) if name == ENCODED else real
        [method] = (method for method in METHODS if method.name == name)
        return generate_images(self.model, method, scenes, unet_calls)

    def measure(self, name: str, unet_calls: int, quantity: str) -> dict[str, torch.Tensor]:
        """Returns this quantity of a point, with those that are measured on the same images."""
        if name == REFERENCE:
            return self.measure_reference()
        return self.measure_diversity(name, unet_calls) if quantity == RECALL else self.measure_images(name, unet_calls)

    def measure_reference(self) -> dict[str, torch.Tensor]:
        repeats = [draw_real(self.scenes, repeat) for repeat in range(REPEATS)]
        return {FEATURES: torch.cat([get_features(self.classifier, batches) for batches in repeats])}

    def measure_images(self, name: str, unet_calls: int) -> dict[str, torch.Tensor]:
        images = torch.cat(list(self.generate(name, unet_calls)))
        return {
            FEATURES: self.classifier.get_features(images),
            ACCURACY: get_accuracy(self.classifier, images, self.scenes),
            CONTRAST: get_fine_contrast(images),
            BITS: get_jpeg_bits(images),
        }

    def measure_diversity(self, name: str, unet_calls: int) -> dict[str, torch.Tensor]:
        """Returns precision and recall for each of the first captions."""
        generated = self.get_diverse_features(self.generate(name, unet_calls, diverse=True))
        pairs = [get_precision_and_recall(*both) for both in zip(generated, self.diverse_real)]
        precision, recall = torch.tensor(pairs).T
        return {PRECISION: precision, RECALL: recall}


def get_missing(results: Results) -> Iterator[tuple[str, int, str]]:
    """Yields the points that the results lack and the quantity that is missing, in the order of UNet calls."""
    points = [(name, 0) for name in (REAL, REFERENCE, ENCODED)]  # real images first: they determine Results.captions
    points += [(method.name, unet_calls) for method in METHODS for unet_calls in method.unet_calls]
    for name, unet_calls in sorted(points, key=lambda point: point[1]):
        for quantity in (FEATURES, RECALL) if (name, unet_calls) in DIVERSE else (FEATURES,):
            if not results.has(name, unet_calls, quantity):
                yield name, unet_calls, quantity


@torch.no_grad()
def measure_all(results: Results, captions: int) -> None:
    """Measures what the results lack, and saves each point.

    Raises UserError if they have another number of captions.
    """
    if results.captions not in (captions, 0):
        raise UserError(messages.OTHER_NUMBER_OF_IMAGES, count=results.captions, file=results.path, value=captions)
    missing = list(get_missing(results))
    if not missing:
        return
    evaluation = Evaluation(captions)
    for name, unet_calls, quantity in missing:
        results.add(name, unet_calls, evaluation.measure(name, unet_calls, quantity))
        print(f"Measured: {name}, {unet_calls} UNet calls.", flush=True)
