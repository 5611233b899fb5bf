"""Writes small LoRA files in the common formats, for the SD 1.5 checkpoint of the tests and for other families.

Like distillation LoRAs, they contain every layer of attention, feed-forward and residual blocks, but only of as many
blocks as that checkpoint has. A seed gives the same weights in all formats, and in files with only some of the layers.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
from safetensors.numpy import save_file

from .checkpoint_layers import TEXT_WIDTH, TIME_WIDTH, UNET_WIDTH, Shapes

STRENGTH = 1.5
"""Size of what a LoRA adds to a layer's weight, relative to the weight."""


@dataclass(frozen=True)
class Family:
    """A type of UNet. blocks are the widths of its blocks, and the transformer blocks in each of their attentions."""

    text_width: int
    blocks: dict[str, tuple[int, int]]
    projects_by_convolution: bool = False


SMALL = {"down_blocks.0": (UNET_WIDTH, 1), "mid_block": (UNET_WIDTH, 1)}
FAMILIES = {
    "SD 1.5": Family(TEXT_WIDTH, SMALL, projects_by_convolution=True),
    "SD 2.1": Family(1024, SMALL),
    # the depth is reduced from 10; all names and shapes are SDXL's
    "SDXL": Family(
        2048, {"down_blocks.0": (320, 0), "down_blocks.1": (640, 2), "down_blocks.2": (1280, 2), "mid_block": (1280, 2)}
    ),
    "SDXL in one width": Family(
        2048, {"down_blocks.0": (320, 0), "down_blocks.1": (320, 2), "down_blocks.2": (320, 10), "mid_block": (320, 10)}
    ),
}

CHECKPOINTS = {"small-sd15": "SD 1.5", "tiny-sdxl": "SDXL", "large-sdxl": "SDXL in one width"}
"""Families by checkpoint. No LoRA has the sizes of tiny-sdxl."""

ATTENTION = r"\.to_(q|k|v|out)\b"
"""Matches the attention layers, for which diffusers had LoRAs first and still has its own names."""


def unet(family: Family) -> Shapes:
    """Yields a UNet's layers by diffusers' names, with the shapes of their weights."""
    before = UNET_WIDTH
    for block, (width, depth) in family.blocks.items():
        for i in (0, 1):
            resnet = f"{block}.resnets.{i}"
            yield f"{resnet}.conv1", (width, before, 3, 3)
            yield f"{resnet}.time_emb_proj", (width, TIME_WIDTH)
            yield f"{resnet}.conv2", (width, width, 3, 3)
            if before != width:
                yield f"{resnet}.conv_shortcut", (width, before, 1, 1)
            before = width
        for i in range(1 if block == "mid_block" else 2):
            if depth:
                yield from transformer(f"{block}.attentions.{i}", width, depth, family)


def transformer(name: str, width: int, depth: int, family: Family) -> Shapes:
    projection = (width, width, 1, 1) if family.projects_by_convolution else (width, width)
    yield f"{name}.proj_in", projection
    for i in range(depth):
        block = f"{name}.transformer_blocks.{i}"
        for attention, context in (("attn1", width), ("attn2", family.text_width)):
            yield f"{block}.{attention}.to_q", (width, width)
            yield f"{block}.{attention}.to_k", (width, context)
            yield f"{block}.{attention}.to_v", (width, context)
            yield f"{block}.{attention}.to_out.0", (width, width)
        yield f"{block}.ff.net.0.proj", (8 * width, width)
        yield f"{block}.ff.net.2", (width, 4 * width)
    yield f"{name}.proj_out", projection


def get_names(layer: str, format: str) -> tuple[str, str] | None:
    """Returns a format's names of a layer's down and up weights, or None for layers that the format lacks."""
    if format == "kohya":
        stem, sides = f"lora_unet_{layer.replace('.', '_')}.lora_", ("down", "up")
    elif format == "peft":
        stem, sides = f"unet.{layer}.lora_", ("A", "B")
    elif format == "dotted":  # diffusers' own format before PEFT's
        stem, sides = f"unet.{layer}.lora.", ("down", "up")
    elif format == "diffusers":  # diffusers' first format
        stem, sides = re.sub(r"\.(to_\w+)(\.0)?$", r".processor.\1_lora.", f"unet.{layer}"), ("down", "up")
        if ".processor." not in stem:
            return None
    else:
        raise ValueError(f"There is no format {format!r}.")
    return f"{stem}{sides[0]}.weight", f"{stem}{sides[1]}.weight"


def weights(
    format: str, family: str, rank: int, alpha: float, seed: int, layers: str
) -> Iterator[tuple[str, numpy.ndarray]]:
    draw = numpy.random.default_rng(seed).standard_normal
    for layer, (width, *inputs) in unet(FAMILIES[family]):
        down = draw((rank, *inputs)) / math.sqrt(math.prod(inputs))
        up = draw((width, rank, *(1 for _ in inputs[1:]))) * STRENGTH / math.sqrt(rank)
        names = get_names(layer, format)
        if names is None or not re.search(layers, layer):
            continue
        yield names[0], down.astype(numpy.float16)
        yield names[1], up.astype(numpy.float16)
        if format == "kohya":
            yield f"{names[0].partition('.')[0]}.alpha", numpy.array(alpha, numpy.float16)


def write(
    path: Path,
    format: str = "kohya",
    family: str = "SD 1.5",
    rank: int = 4,
    alpha: float | None = None,
    metadata: dict[str, str] | None = None,
    seed: int = 0,
    layers: str = "",
) -> None:
    """Writes a file with the layers whose names match a pattern. alpha (default: rank) is for kohya's format only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(weights(format, family, rank, rank if alpha is None else alpha, seed, layers)), path, metadata)


def write_for(webui, path: Path, **fields) -> None:
    """Writes a LoRA for the checkpoint that the WebUI starts with."""
    write(path, family=CHECKPOINTS[webui.model], **fields)
    webui.refresh_loras()
