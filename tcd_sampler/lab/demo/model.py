"""A model to generate with: its networks, the encoding of prompts, and conversion between latents and images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ..denoiser import EPSILON, DiscreteDenoiser
from ..miniature.prompt import ReadPrompt

Conditioning = dict[str, Any]
"""What the UNet takes beside latents and timesteps. Tensors have a row for each image, also those in dictionaries."""


class Encode(Protocol):
    """Encodes the prompts, then the negative prompt once for each of them, for images of this size in pixels."""

    def __call__(
        self, prompts: list[str], negative: str, width: int, height: int
    ) -> tuple[Conditioning, Conditioning]: ...


@dataclass
class Model:
    """Diffusers' networks. Latents are in the UNet's units, of unit variance."""

    name: str
    unet: Any
    vae: Any
    encode: Encode
    alphas_cumprod: torch.Tensor
    size: int
    """Pixels of an image's side that it was trained for."""

    prediction_type: str = EPSILON
    guidance: float = 7.0
    """The scale that suits it where guidance is not distilled."""

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
        """Turns one of the LoRAs on, or with None or without it all off."""
        if name in self.loras:
            self.unet.set_adapters(name)
            self.unet.enable_lora()
        elif self.loras:
            self.unet.disable_lora()

    @torch.no_grad()
    def to_latents(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, height, width) from -1 to 1 to (batch, 4, height / 8, width / 8)."""
        images = images.to(self.device, self.vae.dtype)
        latents: torch.Tensor = self.vae.encode(images).latent_dist.mean * self.vae.config.scaling_factor
        return latents.float()

    @torch.no_grad()
    def to_images(self, latents: torch.Tensor) -> torch.Tensor:
        latents = latents.to(self.device, self.vae.dtype) / self.vae.config.scaling_factor
        images: torch.Tensor = self.vae.decode(latents).sample
        return images.float().clamp(-1, 1)


class GuidedDenoiser:
    """The model as samplers call it: classifier-free guidance around a discrete denoiser.

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
