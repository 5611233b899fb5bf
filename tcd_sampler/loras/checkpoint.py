"""Detects a checkpoint's base family from its file's header."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from .header import FAMILIES, SDXL

UNET = "model.diffusion_model."


def read_family(path: Path) -> str | None:
    """Returns the base family of a safetensors checkpoint, or None if it is unknown or the file cannot be read.

    SDXL has a second text encoder. The text embedding's width in the UNet's cross attention identifies other families.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            keys = list(file.keys())
            if any(key.startswith("conditioner.embedders.1.") for key in keys):
                return SDXL
            attention = next((key for key in keys if key.endswith("attn2.to_k.weight") and key.startswith(UNET)), None)
            return FAMILIES.get(file.get_slice(attention).get_shape()[1]) if attention else None
    except (OSError, SafetensorError):  # not safetensors: pickles can run code and are not opened
        return None
