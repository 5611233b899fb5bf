"""Generates images for held-out captions with every sampler and number of UNet calls, and measures them."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import DPMSolverSinglestepScheduler

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA
from .. import messages
from ..demo.generation import PIXELS_PER_LATENT, sample
from ..demo.miniature import load_miniature
from ..demo.model import GuidedDenoiser, Model
from ..demo.samplers import SAMPLERS, TCD, Callback, Denoiser, Sampler, get_karras, sample_dpm_solver
from ..miniature.drawing import SIZE, draw_scene
from ..miniature.scenes import Scene, choose_scene
from ..precision import fast_precision
from .classifier import Classifier, get_accuracy, load_classifier
from .frechet import get_error, get_frechet_distance
from .variants import VARIANTS


def sample_dpmpp_2s(
    model: Denoiser,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    generator: torch.Generator,
    callback: Callback | None = None,
) -> torch.Tensor:
    """DPM-Solver++(2S), by diffusers. It adds no noise.

    diffusers counts UNet calls: each step makes two, the second at the middle level on a log scale. The step to 0 makes
    one.
    """
    between = (sigmas[:-2] * sigmas[1:-1]).sqrt()
    levels = torch.stack([sigmas[:-2], between], 1).flatten()
    scheduler = DPMSolverSinglestepScheduler(prediction_type="sample", lower_order_final=True)
    return sample_dpm_solver(scheduler, model, x, torch.cat([levels, sigmas[-2:]]), callback)


DPM_2S = Sampler("DPM++ 2S", sample_dpmpp_2s, "Karras", get_karras)
"""The paper's teacher: two UNet calls per step, and one in the last."""

UNET_CALLS = (1, 2, 4, 8, 16, 32, 50)
GAMMAS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0)
BATCH = 64
REPEATS = 8
"""Real images for each caption. Both sets have the same captions, so captions add nothing to the distance."""

REAL_IMAGES = "real images"
"""The method that has no model: what the classifier says of images that are right."""

SCENES = 1 << 30
"""Keeps the seeds of the captions apart from those of the training runs."""


@dataclass(frozen=True)
class Method:
    """A sampler with the settings that it is measured with."""

    name: str
    sampler: Sampler
    gamma: float = DEFAULT_GAMMA
    order: int = 1
    """UNet calls per step."""


@dataclass(frozen=True)
class Point:
    """A method's results with a number of UNet calls, where a call with guidance counts once.

    distance is the Fréchet distance to real images of the same captions, in the classifier's features. accuracy is the
    share of the captions' contents that the classifier sees. Each has its standard error.
    """

    method: str
    unet_calls: int
    distance: float
    distance_error: float
    accuracy: float
    accuracy_error: float


def get_methods() -> list[Method]:
    tcd = [Method(get_name(gamma), TCD, gamma) for gamma in GAMMAS]
    others = [Method(sampler.name, sampler) for sampler in (*SAMPLERS.values(), *VARIANTS) if sampler is not TCD]
    return [*tcd, *others, Method(DPM_2S.name, DPM_2S, order=2)]


def get_name(gamma: float) -> str:
    return f"TCD, gamma {gamma:g}"


def get_captions(count: int, seed: int = SCENES) -> list[Scene]:
    """Returns scenes whose looks are in no training scene."""
    return [choose_scene(i, held_out=True) for i in range(seed, seed + count)]


@torch.no_grad()
def generate_images(model: Model, method: Method, scenes: list[Scene], unet_calls: int) -> Iterator[torch.Tensor]:
    """Yields images (batch, 3, SIZE, SIZE) from -1 to 1, from the same noise for every method."""
    model.use_lora(method.sampler.lora)
    guidance = 1.0 if method.sampler.lora else model.guidance
    steps = max(unet_calls // method.order, 1)
    side = SIZE // PIXELS_PER_LATENT
    for first in range(0, len(scenes), BATCH):
        captions = [scene.caption for scene in scenes[first : first + BATCH]]
        denoiser = GuidedDenoiser(model, *model.encode(captions, "", SIZE, SIZE), guidance)
        generator = torch.Generator().manual_seed(first)
        shape = (len(captions), 4, side, side)
        with fast_precision():
            latents = sample(denoiser, method.sampler, steps, shape, generator, method.gamma)
            yield model.to_images(latents)


def draw_real(scenes: list[Scene]) -> Iterator[torch.Tensor]:
    """Yields REPEATS batches of real images of all scenes, each with its own seeds."""
    for repeat in range(REPEATS):
        seed = SCENES + repeat * len(scenes)
        yield torch.stack([draw_scene(scene, seed + i) for i, scene in enumerate(scenes)]) * 2 - 1


@torch.no_grad()
def get_features(classifier: Classifier, batches: Iterator[torch.Tensor]) -> torch.Tensor:
    """Returns the features of all images, (images, FEATURES)."""
    return torch.cat([classifier.get_features(batch) for batch in batches])


@torch.no_grad()
def measure(
    name: str, unet_calls: int, classifier: Classifier, images: torch.Tensor, scenes: list[Scene], real: torch.Tensor
) -> Point:
    """Measures the images of one method.

    images: (scenes, 3, SIZE, SIZE) from -1 to 1. real: the real images' features, (repeats * scenes, FEATURES).
    """
    features = classifier.get_features(images)
    accuracies = get_accuracy(classifier, images, scenes)
    return Point(
        method=name,
        unet_calls=unet_calls,
        distance=get_frechet_distance(features, real),
        distance_error=get_error(features, real),
        accuracy=float(accuracies.mean()),
        accuracy_error=float(accuracies.std() / len(accuracies) ** 0.5),
    )


def get_missing(points: list[Point]) -> list[tuple[Method | None, int]]:
    """Returns the methods and numbers of UNet calls that are not measured yet. The method None is the real images."""
    known = {(point.method, point.unet_calls) for point in points}
    wanted: list[tuple[Method | None, int]] = [(None, 0)]
    wanted += [(method, n) for n in UNET_CALLS for method in get_methods() if method.order <= n]
    return [(method, n) for method, n in wanted if (method.name if method else REAL_IMAGES, n) not in known]


def measure_all(count: int, path: Path) -> list[Point]:
    """Measures what the file does not contain yet, adds it to the file, and returns everything."""
    points = read_points(path)
    missing = get_missing(points)
    if not missing:
        return points
    model, classifier = load_miniature(), load_classifier()
    scenes = get_captions(count)
    real = get_features(classifier, draw_real(scenes))
    for method, unet_calls in missing:
        if method is None:
            batches = iter([torch.stack([draw_scene(scene, i) for i, scene in enumerate(scenes)]) * 2 - 1])
        else:
            batches = generate_images(model, method, scenes, unet_calls)
        name = method.name if method else REAL_IMAGES
        points.append(measure(name, unet_calls, classifier, torch.cat(list(batches)), scenes, real))
        print(points[-1], flush=True)
        write_points(path, points)
    return points


def read_points(path: Path) -> list[Point]:
    """Returns the points in a file, or an empty list if there is no file. Raises UserError for any other content."""
    if not path.exists():
        return []
    try:
        return [Point(**point) for point in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, TypeError, ValueError) as error:
        raise UserError(messages.CANNOT_READ_RESULTS, file=path, reason=error) from error


def write_points(path: Path, points: list[Point]) -> None:
    path.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n", encoding="utf-8")
