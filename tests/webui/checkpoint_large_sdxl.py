"""Writes checkpoints in SDXL's layout for WebUIs that detect a model's type.

They accept only text encoders and a VAE of full size, and a UNet with SDXL's depths. All levels of the UNet may have
the same width. The weights are random. Each checkpoint has 2.4 GB.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from . import checkpoint_layers
from .checkpoint_layers import (
    TOKENS,
    UNET_WIDTH,
    VOCABULARY,
    Shapes,
    Unet,
    layer,
    make_deep_weight,
    make_weights,
    text_encoder,
    vae,
    write_weights,
)

TEXT_WIDTH, TEXT_LAYERS = 1280, 32
"""Sizes of OpenCLIP's text encoder."""

TEXT, OPEN_CLIP = "conditioner.embedders.0.transformer.text_model", "conditioner.embedders.1.model"
UNET = Unet(widths=(UNET_WIDTH,) * 3, depths=(0, 2, 10), middle_depth=10, text_width=2048, size_width=2816)


@dataclass(frozen=True)
class Variant:
    """What distinguishes one checkpoint from the others."""

    marks: tuple[str, ...] = ()
    """Keys by which a WebUI recognizes v-prediction and zero terminal SNR."""

    channels: int = 4
    seed: int = 0


VARIANTS = {
    "large-sdxl": Variant(),
    "large-sdxl-inpaint": Variant(channels=9),
    "large-sdxl-v": Variant(marks=("v_pred", "ztsnr")),
    "large-sdxl-refiner": Variant(seed=1),
}


def open_clip(model: str) -> Shapes:
    yield f"{model}.token_embedding.weight", (VOCABULARY, TEXT_WIDTH)
    yield f"{model}.positional_embedding", (TOKENS, TEXT_WIDTH)
    for i in range(TEXT_LAYERS):
        block = f"{model}.transformer.resblocks.{i}"
        yield f"{block}.attn.in_proj_weight", (3 * TEXT_WIDTH, TEXT_WIDTH)
        yield f"{block}.attn.in_proj_bias", (3 * TEXT_WIDTH,)
        yield from layer(f"{block}.attn.out_proj", TEXT_WIDTH, TEXT_WIDTH)
        yield from layer(f"{block}.mlp.c_fc", 4 * TEXT_WIDTH, TEXT_WIDTH)
        yield from layer(f"{block}.mlp.c_proj", TEXT_WIDTH, 4 * TEXT_WIDTH)
        yield from layer(f"{block}.ln_1", TEXT_WIDTH)
        yield from layer(f"{block}.ln_2", TEXT_WIDTH)
    yield from layer(f"{model}.ln_final", TEXT_WIDTH)
    yield f"{model}.text_projection", (TEXT_WIDTH, TEXT_WIDTH)
    yield f"{model}.logit_scale", ()


def list_files(folder: Path) -> list[Path]:
    """Returns the files of all variants, in a subfolder for this version of the code. Writes the missing ones."""
    sources = Path(__file__), Path(checkpoint_layers.__file__)
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]
    files = [folder / version / f"{name}.safetensors" for name in VARIANTS]
    for file in files:
        if not file.exists():
            part = file.with_suffix(".part")
            write_weights(part, make_checkpoint(VARIANTS[file.stem]))
            part.rename(file)
    return files


def make_checkpoint(variant: Variant) -> dict[str, torch.Tensor]:
    """Returns the weights of a checkpoint."""
    weights = make_weights(UNET.shapes(variant.channels), variant.seed, make_deep_weight)
    for part in (text_encoder(TEXT), open_clip(OPEN_CLIP), vae(), ((mark, (1,)) for mark in variant.marks)):
        weights.update(make_weights(part, 0))
    return weights
