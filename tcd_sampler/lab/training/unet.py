"""Trains the miniature's UNet and text encoders to predict the noise in latents. They are the LoRAs' teacher."""

from pathlib import Path
from typing import Any, cast

import torch
from diffusers import DDPMScheduler
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..miniature.architecture import BETAS, TextEncoders, build_unet, get_size_conditioning, tokenize
from ..miniature.drawing import SIZE
from ..precision import fast_precision
from .run import Run

BATCH = 64
NO_PROMPT, EMPTY_PROMPT = 0.08, 0.04
"""Shares of the batch without any text, as SDXL's are without a negative prompt, and with the empty one."""

MIN_SNR = 5.0
"""Caps the weight of the steps with little noise (arXiv 2303.09556)."""


class TextToImage(torch.nn.Module):
    """The UNet and the text encoders, which are trained together."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.unet = build_unet()
        self.texts = TextEncoders(tokenizer)
        self.empty = tokenize(tokenizer, [""])

    def forward(self, latents: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        conditioning = get_size_conditioning(len(latents), SIZE)
        epsilon: torch.Tensor = self.unet(latents, t, text, added_cond_kwargs=conditioning).sample
        return epsilon

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encodes tokens (batch, 77). A share of the prompts is dropped: guidance needs an unconditional prediction."""
        chance = torch.rand(len(tokens), 1)
        tokens = torch.where(chance < NO_PROMPT + EMPTY_PROMPT, self.empty, tokens)
        return self.texts(tokens) * (chance >= NO_PROMPT)[:, :, None]


def get_loss(text_to_image: TextToImage, data: dict[str, torch.Tensor], alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """Returns the squared error of the predicted noise, weighted by min(SNR, MIN_SNR) / SNR. data: see load_latents."""
    rows = torch.randint(len(data["latents"]), (BATCH,))
    latents, tokens = data["latents"][rows].float(), data["tokens"][rows].long()
    t, noise = torch.randint(1000, (BATCH,)), torch.randn_like(latents)
    alpha = alphas_cumprod[t][:, None, None, None]
    noised = (alpha.sqrt() * latents + (1 - alpha).sqrt() * noise).contiguous(memory_format=torch.channels_last)
    # for 77 tokens, torch's fused attention is slower on a CPU
    with fast_precision(), sdpa_kernel(SDPBackend.MATH):
        epsilon = text_to_image(noised, t, text_to_image.encode(tokens))
    error = (epsilon.float() - noise).square().mean((1, 2, 3))
    snr = (alpha / (1 - alpha)).flatten()
    return (error * snr.clamp(max=MIN_SNR) / snr).mean()


def train_unet(folder: Path, steps: int, tokenizer: Any, data: dict[str, torch.Tensor]) -> TextToImage:
    """Trains the model, or continues, and returns its moving average."""
    torch.manual_seed(0)
    text_to_image = TextToImage(tokenizer).to(memory_format=torch.channels_last)
    alphas_cumprod = DDPMScheduler(**BETAS).alphas_cumprod
    run = Run("unet", folder, text_to_image, steps)
    run.train(lambda step: (get_loss(text_to_image, data, alphas_cumprod), {}))
    return cast(TextToImage, run.average.module)
