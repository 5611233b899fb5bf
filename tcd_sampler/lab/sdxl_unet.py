"""SDXL's UNet in full size, with random weights."""

from collections.abc import Callable
from typing import Any

import diffusers
import torch

from .demo.configuration import SDXL_UNET
from .demo.model import as_network

SIDE = 128
"""Latents of 1024x1024 pixels."""

TOKENS, POOLED = 77, 1280

Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Predicts the noise in latents of unit variance (batch, 4, height, width) at timesteps (batch,)."""


def build_unet(device: torch.device) -> Any:
    """Returns a UNet in float32 whose outputs for noise have unit variance."""
    torch.manual_seed(0)
    with device:
        unet: Any = diffusers.UNet2DConditionModel(**SDXL_UNET)
    unet.requires_grad_(False).eval()
    noise = torch.randn(1, 4, SIDE, SIDE, device=device)
    output = condition(unet)(noise, torch.full([1], 999, device=device))
    unet.conv_out.weight /= output.std()
    unet.conv_out.bias.zero_()
    return unet


def condition(unet: Any) -> Network:
    """Wraps a UNet with random text, as the WebUI runs it: latents stay in float32, whatever the UNet's precision."""
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(1, TOKENS, unet.config.cross_attention_dim, generator=generator).to(unet.device, unet.dtype)
    pooled = torch.randn(1, POOLED, generator=generator).to(unet.device, unet.dtype)
    sizes = torch.tensor([[8 * SIDE, 8 * SIDE, 0, 0, 8 * SIDE, 8 * SIDE]]).to(pooled)
    predict = as_network(unet)

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        count = len(x)
        size = {"text_embeds": pooled.expand(count, -1), "time_ids": sizes.expand(count, -1)}
        return predict(x, t, {"encoder_hidden_states": text.expand(count, -1, -1), "added_cond_kwargs": size})

    return network
