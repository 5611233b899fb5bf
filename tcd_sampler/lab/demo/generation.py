"""Generates images: txt2img, img2img and inpainting."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from PIL import Image, ImageOps

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA, check_gamma
from .. import messages
from ..miniature.prompt import VOCABULARY
from .errors import refuse_without_memory
from .model import GuidedDenoiser, Model
from .samplers import TCD, Callback, Sampler

MAX_STEPS = 50
MAX_SEED = 2**32 - 1
RANDOM_SEED = -1
LONGEST = 2
"""The most that an image's longer side is to its shorter one."""

PIXELS_PER_LATENT = 8


@dataclass(frozen=True)
class Request:
    """A prompt with settings. The white part of the mask is inpainted."""

    prompt: str
    steps: int = 4
    gamma: float = DEFAULT_GAMMA
    seed: int = 0
    sampler: Sampler = TCD
    negative: str = ""
    guidance: float | None = None
    """The CFG scale. None: 1 with a guidance-distilled LoRA, otherwise the model's."""

    size: int | None = None
    """Pixels of each side, by default those that the model was trained for. With an image: of the shorter side."""

    image: Image.Image | None = None
    mask: Image.Image | None = None
    strength: float = 0.75

    def check(self) -> None:
        """Raises UserError if a field is out of range."""
        check_range("steps", self.steps, 1, MAX_STEPS)
        check_gamma(self.gamma)
        check_range("seed", self.seed, 0, MAX_SEED)
        check_range("strength", self.strength, 0, 1)
        check_range("CFG scale", 1 if self.guidance is None else self.guidance, 1, 30)
        size = 512 if self.size is None else self.size
        check_range("size", size, 64, 2048)
        if size % PIXELS_PER_LATENT:
            raise UserError(messages.SIZE_STEP, factor=PIXELS_PER_LATENT, value=size)
        if self.mask is not None and self.image is None:
            raise UserError(messages.MASK_WITHOUT_IMAGE)

    def get_guidance(self, model: Model) -> float:
        default = 1.0 if model.has_lora_for(self.sampler.lora) else model.guidance
        return default if self.guidance is None else self.guidance

    def describe(self, model: Model) -> str:
        """Returns the settings as a WebUI writes them under an image, and reads them to generate it again."""
        width, height = get_size(model, self)
        settings: dict[str, object] = {
            "Steps": self.steps,
            "Sampler": self.sampler.name,
            "Schedule type": self.sampler.schedule,
            "CFG scale": f"{self.get_guidance(model):g}",
            "Seed": self.seed,
            "Size": f"{width}x{height}",
            "Model": model.name,
            "RNG": "CPU",
        }
        if self.image is not None:
            settings["Denoising strength"] = f"{self.strength:g}"
        if self.sampler is TCD:
            settings["TCD gamma"] = f"{self.gamma:g}"
        settings |= {f"ControlNet {i}": json.dumps(unit, ensure_ascii=False) for i, unit in enumerate(model.units)}
        prompt = " ".join([self.prompt, *(lora.tag for lora in model.get_loras(self.sampler.lora).values())])
        negative = [f"Negative prompt: {self.negative}"] if self.negative else []
        return "\n".join([prompt, *negative, ", ".join(f"{key}: {value}" for key, value in settings.items())])


def choose_seed(seed: int) -> int:
    """Returns the seed, or for RANDOM_SEED another one at each call."""
    return random.randrange(MAX_SEED + 1) if seed == RANDOM_SEED else seed


def complete_prompt(model: Model, prompt: str) -> tuple[str, str]:
    """Returns the prompt that the model knows, and a sentence about what is ignored and added, or "".

    Raises UserError if the prompt names nothing that the model can generate.
    """
    if model.read_prompt is None:
        return prompt, ""
    read = model.read_prompt(prompt)
    if not read.caption:
        raise UserError(messages.NO_THING, things=", ".join(VOCABULARY["thing"]), prompt=prompt)
    notes = []
    if read.ignored:
        notes.append(messages.IGNORED.format(words=", ".join(read.ignored)))
    if read.added:
        notes.append(messages.ADDED.format(phrases=", ".join(read.added)))
    return read.caption, " ".join(notes)


def check_range(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(messages.NOT_IN_RANGE, field=field, low=low, high=high, value=value)


def get_size(model: Model, request: Request) -> tuple[int, int]:
    """Returns the width and height to generate, which are multiples of PIXELS_PER_LATENT.

    An image to start from, or else a control image, keeps its shape and gets the model's size on its shorter side,
    since a UNet repeats things in images much larger than those that it was trained with. Its longer side is at most
    LONGEST times as long.
    """
    side = request.size or model.size
    image = request.image or model.control_image
    if image is None:
        return side, side
    scale = side / min(image.size)
    width, height = (
        round(min(pixels * scale, side * LONGEST) / PIXELS_PER_LATENT) * PIXELS_PER_LATENT for pixels in image.size
    )
    return width, height


@contextmanager
def limit_threads(count: int | None) -> Iterator[None]:
    """Runs the block with this number of CPU threads, or with torch's own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class InitialImage:
    """An image to start from: latents (1, 4, height, width), and a mask (1, 1, height, width) that is 1 to inpaint."""

    latents: torch.Tensor
    mask: torch.Tensor | None
    strength: float


class MaskedDenoiser:
    """A denoiser that keeps the unmasked area unchanged."""

    def __init__(self, inner_model: Any, start: InitialImage) -> None:
        self.inner_model, self.start = inner_model, start

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return keep_unmasked(self.inner_model(x, sigma), self.start)


def keep_unmasked(latents: torch.Tensor, start: InitialImage) -> torch.Tensor:
    """Returns the latents with those of the initial image where the mask is 0."""
    return latents if start.mask is None else torch.lerp(start.latents, latents, start.mask)


def sample(
    denoiser: GuidedDenoiser,
    sampler: Sampler,
    steps: int,
    shape: tuple[int, ...],
    generator: torch.Generator,
    gamma: float = DEFAULT_GAMMA,
    start: InitialImage | None = None,
    callback: Callback | None = None,
) -> torch.Tensor:
    """Samples latents of a shape from noise, or from an initial image as the WebUI's img2img does.

    All noise comes from the generator, on the CPU: it is the same for all samplers and devices.
    """
    table = denoiser.inner_model.sigmas
    noise = torch.randn(shape, generator=generator).to(table)
    sigmas = sampler.get_sigmas(steps, table.cpu()).to(table)
    model: Any = denoiser
    if start is None:
        x = noise * (1 + sigmas[0] ** 2).sqrt()
    else:
        taken = min(int(start.strength * steps), steps - 1) + 1
        sigmas = sigmas[-1 - taken :]
        x, model = start.latents + noise * sigmas[0], MaskedDenoiser(denoiser, start)
    options: dict[str, Any] = {"gamma": gamma} if sampler is TCD else {}
    x = sampler.sample(model, x, sigmas, generator, callback=callback, **options)
    return x if start is None else keep_unmasked(x, start)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """Returns an image's pixels, 0 to 255, as (channels, height, width)."""
    pixels = torch.from_numpy(numpy.array(image))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def to_image(pixels: torch.Tensor) -> Image.Image:
    """Returns the image of pixels (3, height, width) from 0 to 1."""
    return Image.fromarray(pixels.mul(255).byte().permute(1, 2, 0).numpy())


@refuse_without_memory()
def generate(model: Model, request: Request, callback: Callback | None = None) -> Image.Image:
    """Generates the image of a request. Raises UserError if the request is invalid or memory runs out.

    The image's info has the settings as "parameters", which PNG files keep.
    """
    request.check()
    with limit_threads(model.threads):
        image = generate_unlabeled(model, request, callback)
    image.info["parameters"] = request.describe(model)
    return image


def generate_unlabeled(model: Model, request: Request, callback: Callback | None) -> Image.Image:
    width, height = get_size(model, request)
    coarse = (width // PIXELS_PER_LATENT, height // PIXELS_PER_LATENT)
    start = original = whole_mask = None
    if request.image is not None:
        original = ImageOps.fit(request.image.convert("RGB"), (width, height))
        latents, mask = model.to_latents(to_tensor(original)[None] / 127.5 - 1), None
        if request.mask is not None:
            # the mask is on the image before both are cropped
            whole_mask = ImageOps.fit(request.mask.convert("L").resize(request.image.size), (width, height))
            mask = (to_tensor(whole_mask.resize(coarse))[None] / 255).round().to(latents)
        start = InitialImage(latents, mask, request.strength)
    model.use_lora(request.sampler.lora)
    text, uncond = model.encode([request.prompt], request.negative, width, height)
    denoiser = GuidedDenoiser(model, text, uncond, request.get_guidance(model))
    generator = torch.Generator().manual_seed(request.seed)
    shape = (1, 4, *reversed(coarse))
    latents = sample(denoiser, request.sampler, request.steps, shape, generator, request.gamma, start, callback)
    image = to_image((model.to_images(latents)[0].cpu() + 1) / 2)
    if original is not None and whole_mask is not None:
        image = Image.composite(image, original, whole_mask)
    return image
