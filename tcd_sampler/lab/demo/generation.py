"""From a request to an image: text to image, image to image, and a masked part of one."""

from dataclasses import dataclass
from typing import Any

import numpy
import torch
from PIL import Image, ImageOps

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA, check_gamma
from .. import messages
from .errors import refuse_without_memory
from .model import Guided, Model
from .samplers import TCD, Callback, Sampler

MAX_STEPS = 50
PIXELS_PER_LATENT = 8


@dataclass(frozen=True)
class Request:
    """What to generate, and how. White in the mask is what is generated anew."""

    prompt: str
    steps: int = 4
    gamma: float = DEFAULT_GAMMA
    seed: int = 0
    sampler: Sampler = TCD
    negative: str = ""
    guidance: float | None = None
    """None: 1 where a LoRA has it distilled, else what suits the model."""

    size: int | None = None
    """Pixels of each side; by default those that the model was trained for. An image to start from has its own."""

    image: Image.Image | None = None
    mask: Image.Image | None = None
    strength: float = 0.75

    def check(self) -> None:
        """Raise UserError if a field is out of its range."""
        check_range("steps", self.steps, 1, MAX_STEPS)
        check_gamma(self.gamma)
        check_range("seed", self.seed, 0, 2**32 - 1)
        check_range("strength", self.strength, 0, 1)
        check_range("CFG scale", 1 if self.guidance is None else self.guidance, 1, 30)
        size = 512 if self.size is None else self.size
        check_range("size", size, 64, 2048)
        if size % PIXELS_PER_LATENT:
            raise UserError(messages.SIZE_STEP, factor=PIXELS_PER_LATENT, value=size)
        if self.mask is not None and self.image is None:
            raise UserError(messages.MASK_WITHOUT_IMAGE)

    def get_guidance(self, model: Model) -> float:
        distilled = self.sampler.lora in model.loras
        return self.guidance if self.guidance is not None else 1.0 if distilled else model.guidance

    def describe(self, model: Model) -> str:
        """The settings as the WebUI writes them under an image."""
        settings: dict[str, object] = {
            "Steps": self.steps,
            "Sampler": self.sampler.name,
            "Schedule type": self.sampler.schedule,
            "CFG scale": f"{self.get_guidance(model):g}",
            "Seed": self.seed,
            "Model": model.name,
        }
        if self.image is not None:
            settings["Denoising strength"] = f"{self.strength:g}"
        if self.sampler is TCD:
            settings["TCD gamma"] = f"{self.gamma:g}"
        negative = [f"Negative prompt: {self.negative}"] if self.negative else []
        return "\n".join([self.prompt, *negative, ", ".join(f"{key}: {value}" for key, value in settings.items())])


def check_range(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(messages.NOT_IN_RANGE, field=field, low=low, high=high, value=value)


def get_size(model: Model, request: Request) -> tuple[int, int]:
    """Width and height, which the autoencoder takes in eights."""
    size = request.image.size if request.image is not None else (request.size or model.size,) * 2
    width, height = (max(side // PIXELS_PER_LATENT, 1) * PIXELS_PER_LATENT for side in size)
    return width, height


@dataclass(frozen=True)
class Start:
    """Where sampling starts from: an image's latents, and where it is generated anew, 1 in (1, 1, height, width)."""

    latents: torch.Tensor
    mask: torch.Tensor | None
    strength: float


class Masked:
    """A denoiser that leaves what is not to be generated as it was."""

    def __init__(self, inner_model: Any, start: Start) -> None:
        self.inner_model, self.start = inner_model, start

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return keep_unmasked(self.inner_model(x, sigma), self.start)


def keep_unmasked(latents: torch.Tensor, start: Start) -> torch.Tensor:
    return latents if start.mask is None else torch.lerp(start.latents, latents, start.mask)


def sample(
    denoiser: Guided,
    sampler: Sampler,
    steps: int,
    shape: tuple[int, ...],
    generator: torch.Generator,
    gamma: float = DEFAULT_GAMMA,
    start: Start | None = None,
    callback: Callback | None = None,
) -> torch.Tensor:
    """Latents of a shape, sampled from noise, or from an image's as the WebUI's img2img does it.

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
        x, model = start.latents + noise * sigmas[0], Masked(denoiser, start)
    options: dict[str, Any] = {"gamma": gamma} if sampler is TCD else {}
    x = sampler.sample(model, x, sigmas, generator, callback=callback, **options)
    return x if start is None else keep_unmasked(x, start)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """Return an image's pixels, 0 to 255, as (channels, height, width)."""
    pixels = torch.from_numpy(numpy.array(image))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def to_image(pixels: torch.Tensor) -> Image.Image:
    """Return the image of pixels (3, height, width) from 0 to 1."""
    return Image.fromarray(pixels.mul(255).byte().permute(1, 2, 0).numpy())


@refuse_without_memory()
def generate(model: Model, request: Request, callback: Callback | None = None) -> Image.Image:
    """Generate the image of a request. Raises UserError if the request is not in order or memory runs out."""
    request.check()
    width, height = get_size(model, request)
    coarse = (width // PIXELS_PER_LATENT, height // PIXELS_PER_LATENT)
    start = original = whole_mask = None
    if request.image is not None:
        original = ImageOps.fit(request.image.convert("RGB"), (width, height))
        latents, mask = model.to_latents(to_tensor(original)[None] / 127.5 - 1), None
        if request.mask is not None:
            whole_mask = request.mask.convert("L").resize((width, height))
            mask = (to_tensor(whole_mask.resize(coarse))[None] / 255).round().to(latents)
        start = Start(latents, mask, request.strength)
    model.use_lora(request.sampler.lora)
    text, without = model.encode([request.prompt], request.negative, width, height)
    denoiser = Guided(model, text, without, request.get_guidance(model))
    generator = torch.Generator().manual_seed(request.seed)
    shape = (1, 4, *reversed(coarse))
    latents = sample(denoiser, request.sampler, request.steps, shape, generator, request.gamma, start, callback)
    image = to_image((model.to_images(latents)[0].cpu() + 1) / 2)
    if original is not None and whole_mask is not None:
        image = Image.composite(image, original, whole_mask)
    return image
