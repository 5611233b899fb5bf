"""A model to generate with: its networks, the encoding of prompts, and conversion between latents and images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ..denoiser import EPSILON, DiscreteDenoiser
from ..miniature.prompt import ReadPrompt

Conditioning = dict[str, Any]
"""The UNet's arguments other than latents and timesteps. All tensors, also in dictionaries, have one row per image."""


class Encode(Protocol):
    """Encodes the prompts, then the negative prompt once for each of them, for images of this size in pixels."""

    def __call__(
        self, prompts: list[str], negative: str, width: int, height: int
    ) -> tuple[Conditioning, Conditioning]: ...


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

    loras: dict[str, str] = field(default_factory=dict)
    """Names of LoRA files, as WebUIs use them in prompts, by the names of the samplers' adapters."""

    threads: int | None = None
    """CPU threads to generate with; by default torch's own choice."""

    read_prompt: Callable[[str], ReadPrompt] | None = None
    """Turns a prompt into one that the model knows; None if it takes any."""

    @property
    def device(self) -> torch.device:
        device: torch.device = self.unet.device
        return device

    def use_lora(self, name: str | None) -> None:
        """Turns on one of the LoRAs, or none if the name is None or unknown."""
        if name in self.loras:
            self.unet.set_adapters(name)
            self.unet.enable_lora()
        elif self.loras:
            self.unet.disable_lora()

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


def concatenate(a: Conditioning, b: Conditioning) -> Conditioning:
    return {key: concatenate(a[key], b[key]) if isinstance(a[key], dict) else torch.cat([a[key], b[key]]) for key in a}
