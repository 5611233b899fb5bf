"""Writes random models for sd-webui-controlnet, and a checkpoint that they fit, all in SD 1.5's layout.

Unlike the other small checkpoints, this one has SD 1.5's four UNet levels, because a ControlNet adds to every skip
connection and an IP-Adapter to every cross-attention. All widths are a fifth of SD 1.5's.
"""

import base64
import io
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from .checkpoint_layers import (
    TEXT_WIDTH,
    UNET_WIDTH,
    Shapes,
    Unet,
    layer,
    make_deep_weight,
    make_weights,
    text_encoder,
    vae,
    write_weights,
)
from .checkpoint_sd15 import TEXT, Variant, model_config, write_text_config

LEVELS = [1, 2, 4, 4]
"""Each level's width, as a multiple of the first level's."""

UNET = Unet(
    widths=tuple(multiple * UNET_WIDTH // 5 for multiple in LEVELS),
    depths=(1, 1, 1, 0), middle_depth=1, projects_by_convolution=True,
)  # fmt: skip

CHECKPOINT = "control-sd15"
CANNY, DEPTH, IP_ADAPTER = "control_v11p_sd15_canny", "control_v11f1p_sd15_depth", "ip-adapter_sd15"
"""The published models' names. The extension recognizes an IP-Adapter by its name."""

IMAGE_WIDTH, IMAGE_TOKENS = 1024, 4
"""The width of the encoded image that an IP-Adapter gets, and the number of tokens that it makes of it."""

CONTROL = "control_model"
HINT_LAYERS = [(16, 3), (16, 16), (32, 16), (32, 32), (96, 32), (96, 96), (256, 96)]
"""A ControlNet's convolutions over its image, but for the last one."""

HINT_GAIN = 1.7
"""The gain of these convolutions. The activation after each of them halves its input."""


def controlnet() -> Shapes:
    yield from UNET.encoder(CONTROL, 4)
    yield from connections(UNET.skipped_widths)


def connections(widths: list[int]) -> Shapes:
    """A ControlNet's layers from its image, and to the skip connections with these widths."""
    for i, (width, width_in) in enumerate([*HINT_LAYERS, (widths[0], 256)]):
        yield from layer(f"{CONTROL}.input_hint_block.{2 * i}", width, width_in, 3, 3)
    for i, width in enumerate(widths):
        yield from layer(f"{CONTROL}.zero_convs.{i}.0", width, width, 1, 1)
    yield from layer(f"{CONTROL}.middle_block_out.0", widths[-1], widths[-1], 1, 1)


def ip_adapter(widths: list[int], context: int) -> Shapes:
    """Yields the tensors for cross-attentions of these widths, in the order down, up, middle."""
    yield from layer("image_proj.proj", IMAGE_TOKENS * context, IMAGE_WIDTH)
    yield from layer("image_proj.norm", context)
    for i, width in enumerate(widths):
        for name in ("to_k_ip", "to_v_ip"):
            yield f"ip_adapter.{2 * i + 1}.{name}.weight", (width, context)


def get_attention_widths() -> list[int]:
    down = [width for width in UNET.widths[:3] for _ in range(2)]
    up = [width for width in UNET.widths[2::-1] for _ in range(3)]
    return [*down, *up, UNET.widths[-1]]


def make(shapes: Shapes, seed: int) -> dict[str, torch.Tensor]:
    return make_weights(shapes, seed, make_one)


def make_one(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    gain = HINT_GAIN if "input_hint_block" in name else 1.0
    return gain * make_deep_weight(name, shape)


def draw_encoded_image() -> torch.Tensor:
    """Returns a random tensor (1, IMAGE_WIDTH) in place of an image encoder's output."""
    return torch.randn(1, IMAGE_WIDTH, generator=torch.Generator().manual_seed(0))


def make_encoded_image() -> str:
    """Returns this tensor as the extension's API expects it."""
    buffer = io.BytesIO()
    torch.save({"image_embeds": draw_encoded_image()}, buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def write_checkpoint(folder: Path) -> None:
    weights = {**make(text_encoder(TEXT), 0), **make(vae(), 0), **make(UNET.shapes(4), 0)}
    folder = folder.resolve()  # the text encoder is beside the checkpoints themselves, not beside a link to them
    write_weights(folder / f"{CHECKPOINT}.safetensors", weights)
    config = model_config(Variant(), write_text_config(folder))
    config["params"]["unet_config"]["params"].update(
        model_channels=UNET.widths[0], attention_resolutions=[4, 2, 1], channel_mult=LEVELS
    )
    (folder / f"{CHECKPOINT}.yaml").write_text(json.dumps({"model": config}), encoding="utf-8")


def write_models(folder: Path) -> None:
    """Writes the two ControlNets and the IP-Adapter."""
    folder.mkdir(parents=True, exist_ok=True)
    adapter = ip_adapter(get_attention_widths(), TEXT_WIDTH)
    for seed, (name, shapes) in enumerate(((CANNY, controlnet()), (DEPTH, controlnet()), (IP_ADAPTER, adapter))):
        save_file(make(shapes, seed), folder / f"{name}.safetensors")
