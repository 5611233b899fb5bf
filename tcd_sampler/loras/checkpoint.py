"""Which base family a checkpoint is of, by its file's header."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from .header import FAMILIES, SDXL

UNET = "model.diffusion_model."


def read_family(path: Path) -> str | None:
    """SDXL by its second text encoder; others by the width of the text that the UNet's cross attention takes.

    None where the file does not tell.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            keys = list(file.keys())
            if any(key.startswith("conditioner.embedders.1.") for key in keys):
                return SDXL
            attention = next((key for key in keys if key.endswith("attn2.to_k.weight") and key.startswith(UNET)), None)
            return FAMILIES.get(file.get_slice(attention).get_shape()[1]) if attention else None
    except (OSError, SafetensorError):  # a pickle, which is not opened here
        return None
