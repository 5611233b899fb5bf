"""A model to generate with: its networks, the encoding of prompts, and conversion between latents and images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from PIL import Image

from ..denoiser import EPSILON, DiscreteDenoiser
from ..miniature.prompt import ReadPrompt

Conditioning = dict[str, Any]
"""The UNet's arguments other than latents and timesteps. All tensors, nested ones too, have one entry per image."""


class Encode(Protocol):
    """Encodes the prompts, then the negative prompt once for each of them, for images of this size in pixels."""

    def __call__(
        self, prompts: list[str], negative: str, width: int, height: int
    ) -> tuple[Conditioning, Conditioning]: ...


@dataclass(frozen=True)
class LoRA:
    """A LoRA in a model's networks: the name of its file, as WebUIs use it in prompts, and its weight."""

    name: str
    weight: float = 1.0
    sampler: str | None = None
    """The Sampler.lora that turns it on, or None to use it with every sampler."""

    @property
    def tag(self) -> str:
        return f"<lora:{self.name}:{self.weight:g}>"


@dataclass
class Model:
    """Networks of diffusers. Latents have unit variance, as the UNet sees them."""

    name: str
    unet: Any
    vae: Any
    encode: Encode
    alphas_cumprod: torch.Tensor
    size: int
    """The side of training images in pixels."""

    prediction_type: str = EPSILON
    guidance: float = 7.0
    """The CFG scale without a guidance-distilled LoRA."""

    loras: dict[str, LoRA] = field(default_factory=dict)
    """By the names of their adapters."""

    adapted: Any = None
    """The pipeline, or the UNet, that turns the LoRAs on and off. None without LoRAs."""

    control_image: Image.Image | None = None
    """The ControlNet's image. Without an image to start from, it determines the shape."""

    units: list[str] = field(default_factory=list)
    """ControlNet and IP-Adapter as infotexts of units in the WebUI's ControlNet extension."""

    threads: int | None = None
    """CPU threads to generate with; by default torch's own choice."""

    read_prompt: Callable[[str], ReadPrompt] | None = None
    """Turns a prompt into one that the model knows; None if it takes any."""

    @property
    def device(self) -> torch.device:
        device: torch.device = self.unet.device
        return device

    def has_lora_for(self, name: str | None) -> bool:
        """Whether a LoRA is there for this Sampler.lora."""
        return name is not None and any(lora.sampler == name for lora in self.loras.values())

    def get_loras(self, name: str | None) -> dict[str, LoRA]:
        """Returns the LoRAs that are used with a Sampler.lora, by the names of their adapters."""
        return {adapter: lora for adapter, lora in self.loras.items() if lora.sampler in (name, None)}

    def use_lora(self, name: str | None) -> None:
        """Turns on the LoRAs that are used with a Sampler.lora, and turns off the others."""
        active = self.get_loras(name)
        if active:
            self.adapted.set_adapters(list(active), [lora.weight for lora in active.values()])
            self.adapted.enable_lora()
        elif self.loras:
            self.adapted.disable_lora()

    @torch.no_grad()
    def to_latents(self, images: torch.Tensor) -> torch.Tensor:
        """Encodes images (batch, 3, height, width) from -1 to 1 as latents (batch, 4, height / 8, width / 8)."""
        images = images.to(self.device, self.vae.dtype)
        latents: torch.Tensor = self.vae.encode(images).latent_dist.mean * self.vae.config.scaling_factor
        return latents.float()

    @torch.no_grad()
    def to_images(self, latents: torch.Tensor) -> torch.Tensor:
        """Decodes latents (batch, 4, height / 8, width / 8) to images (batch, 3, height, width) from -1 to 1."""
        latents = latents.to(self.device, self.vae.dtype) / self.vae.config.scaling_factor
        images: torch.Tensor = self.vae.decode(latents).sample
        return images.float().clamp(-1, 1)


class GuidedDenoiser:
    """A denoiser with classifier-free guidance, as samplers call it.

    At a scale of 1 the UNet is called with each image once, otherwise twice.
    """

    def __init__(self, model: Model, text: Conditioning, uncond: Conditioning, scale: float) -> None:
        self.inner_model = DiscreteDenoiser(as_network(model.unet), model.alphas_cumprod, model.prediction_type)
        self.text, self.both, self.scale = text, concatenate(uncond, text), scale

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        denoised: torch.Tensor
        if self.scale == 1:
            denoised = self.inner_model(x, sigma, conditioning=self.text)
            return denoised
        outputs = self.inner_model(torch.cat([x, x]), torch.cat([sigma, sigma]), conditioning=self.both)
        uncond, denoised = outputs.chunk(2)
        return uncond + self.scale * (denoised - uncond)


def as_network(unet: Any) -> Callable[..., torch.Tensor]:
    def network(x: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        output: torch.Tensor = unet(x.to(unet.dtype), t, **conditioning).sample
        return output.to(x.dtype)

    return network


def concatenate(a: Any, b: Any) -> Any:
    """Returns tensors, or dictionaries or lists of them, with the batch entries of both."""
    if isinstance(a, dict):
        return {key: concatenate(a[key], b[key]) for key in a}
    if isinstance(a, list):
        return [concatenate(*both) for both in zip(a, b)]
    return torch.cat([a, b])
