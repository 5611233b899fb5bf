"""Checks the contents of given files by their headers.

This module imports neither diffusers nor gradio: a wrong file is refused before the seconds that these take to import.
"""

import json
import re
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from safetensors import safe_open

from ... import messages as shared
from ...errors import UserError
from ...loras.checkpoint import UNET, read_family
from ...loras.header import BLOCK, DOWN, SAFETENSORS, SD2, SDXL, find_fault, read_lora
from .. import messages
from .errors import first_line

LATENT_CHANNELS = 4
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
"""The name of a repository on the Hugging Face hub."""

FIRST_LAYER = f"{UNET}input_blocks.0.0.weight"
PARTS = (UNET, "first_stage_model.", r"cond_stage_model\.|conditioner\.")
"""What the names of a complete checkpoint's tensors start with: UNet, autoencoder and text encoders, as patterns."""

CHECKPOINT = re.compile(
    r"(model\.diffusion_model|first_stage_model|cond_stage_model|conditioner|text_encoders|vae)\."
    r"|(down|up|input|output|double|single|joint|(single_)?transformer)_blocks\.\d.*\.(weight|bias)$"
)
"""Tensors of whole models, of any family. Those of LoRAs are excluded by DOWN first."""

OTHER_ADVICE = {shared.PICKLE_FILE: messages.NOT_SAFETENSORS, shared.LFS_POINTER: messages.IS_LFS_POINTER}
"""The lab's messages in place of those whose advice is for LoRAs in a WebUI."""


def check_readable(field: str, path: Path) -> None:
    """Raises UserError if the path is no readable file."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(messages.CANNOT_READ, field=field, file=path, reason=error.strerror) from error


def check_image(field: str, path: Path) -> None:
    """Raises UserError if the file is not a complete image."""
    read_image(field, path)


def read_image(field: str, path: Path) -> Image.Image:
    """Returns the image of a file. Raises UserError if it is not a complete image."""
    check_readable(field, path)
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = messages.NOT_AN_IMAGE if isinstance(error, UnidentifiedImageError) else first_line(error)
        raise UserError(messages.CANNOT_READ_IMAGE, field=field, file=path, reason=reason) from error


def check_safetensors(field: str, path: Path) -> None:
    """Raises UserError if the file is not a complete safetensors file."""
    check_readable(field, path)
    if path.suffix.lower() != SAFETENSORS:
        raise UserError(messages.NOT_SAFETENSORS, field=field, file=path.name)
    fault = find_fault(path)
    if fault in OTHER_ADVICE:
        raise UserError(OTHER_ADVICE[fault], field=field, file=path.name)
    if fault is not None:
        raise UserError(fault, lora=path.name)


def check_checkpoint(path: Path) -> str:
    """Returns the checkpoint's base family. Raises UserError if it is not a checkpoint to generate with."""
    check_safetensors("--checkpoint", path)
    with safe_open(path, framework="numpy") as file:
        keys = list(file.keys())
        channels = file.get_slice(FIRST_LAYER).get_shape()[1] if FIRST_LAYER in keys else LATENT_CHANNELS
    if is_lora(keys):
        raise UserError(messages.LORA_AS_CHECKPOINT, file=path.name)
    family = read_family(path)
    if family is None or not all(any(re.match(part, key) for key in keys) for part in PARTS):
        raise UserError(messages.NOT_A_CHECKPOINT, file=path.name)
    if channels != LATENT_CHANNELS:
        raise UserError(messages.INPAINTING_CHECKPOINT, file=path.name, channels=channels)
    return family


def check_lora(path: Path, family: str) -> None:
    """Raises UserError if the file is not a LoRA for the UNet of this base family."""
    check_safetensors("--lora", path)
    with safe_open(path, framework="numpy") as file:
        keys = list(file.keys())
    if not is_lora(keys):
        is_checkpoint = any(CHECKPOINT.match(key) for key in keys)
        raise UserError(messages.CHECKPOINT_AS_LORA if is_checkpoint else messages.NOT_A_LORA, file=path.name)
    lora = read_lora(path)
    if lora.family not in (family, None):
        families = {"family": lora.family, "checkpoint_family": family}
        raise UserError(messages.LORA_FOR_ANOTHER_FAMILY, file=path.name, **families)
    if not any(re.search(BLOCK, key) for key in keys):
        raise UserError(messages.LORA_WITHOUT_UNET, file=path.name, checkpoint_family=family)


def check_config(config: str | None, family: str) -> None:
    """Raises UserError if this is neither a folder with the family's configuration nor a repository's name.

    None is the built-in configuration, which SD 2.1 lacks: its versions differ in it, and not in their files.
    """
    if config is None:
        if family == SD2:
            raise UserError(messages.CONFIG_NEEDED, family=family)
        return
    index = Path(config) / "model_index.json"
    if not Path(config).exists():
        if not REPOSITORY.fullmatch(config):
            raise UserError(messages.NOT_A_CONFIG, config=config)
        return
    try:
        pipeline = json.loads(index.read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(messages.NO_MODEL_INDEX, config=config) from error
    if ("XL" in pipeline) != (family == SDXL):
        raise UserError(messages.CONFIG_FOR_ANOTHER_FAMILY, config=config, pipeline=pipeline, checkpoint_family=family)


def is_lora(keys: list[str]) -> bool:
    return any(DOWN.search(key) for key in keys)
