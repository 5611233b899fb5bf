"""Converts LoRAs to kohya's format, which all WebUIs load."""

import json
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file  # not safetensors.numpy: numpy has no bfloat16

from .. import messages
from ..errors import UserError, get_reason
from .header import KOHYA, SD2, SDXL, read_lora
from .temporary_file import move_into_place

CONFIG = "lora_adapter_metadata"
"""The metadata key where diffusers stores the training configuration."""

SOURCE_KEY = re.compile(
    r"^(base_model\.model\.)?"
    r"(?P<part>text_encoder(_2)?\.(?=text_)|"
    r"(unet\.)?(?=((down|up)_blocks|mid_block|(time|add)_embedding|conv_(in|out))\.))"
    r"(?P<module>.+?)(_lora|\.lora|\.lora_linear_layer)?"
    r"\.((?P<side>lora_A|lora_B|down|up)(\.default)?\.weight|alpha)$"
)
"""Tensor names of PEFT, diffusers and diffusers' processors."""

SIDES = {"lora_A": "lora_down", "down": "lora_down", "lora_B": "lora_up", "up": "lora_up"}

LABELS = {SDXL: {"ss_base_model_version": "sdxl_base_v1-0"}, SD2: {"ss_v2": "True"}}
"""Metadata that tell A1111 a LoRA's family. It treats files without them as SD 1 and hides other families' LoRAs."""


def get_kohya_name(part: str, module: str, family: str | None) -> str:
    """Returns kohya's name of a module, such as lora_unet_mid_block_attentions_0_proj_in."""
    prefix = {"text_encoder.": "lora_te1" if family == SDXL else "lora_te", "text_encoder_2.": "lora_te2"}
    module = module.replace(".processor.", ".")
    module = re.sub(r"self_attn\.to_(q|k|v|out)$", r"self_attn.\1_proj", module)
    module = re.sub(r"to_out$", "to_out.0", module)
    return f"{prefix.get(part, 'lora_unet')}_{module}".replace(".", "_")


def get_alpha(config: dict[str, Any], part: str, module: str, rank: int) -> float:
    """Returns a module's alpha, for files without alpha tensors: alpha / rank scales the LoRA.

    The default alpha is the rank. diffusers' configuration contains other values, for all modules or by pattern.
    """
    alpha = config.get(f"{part}lora_alpha", rank)
    for pattern, value in (config.get(f"{part}alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            alpha = value
            break
    return float(alpha) * (rank**0.5 if config.get(f"{part}use_rslora") else 1)


def read_config(path: Path, text: str) -> dict[str, Any]:
    """Returns diffusers' training configuration, parsed from its JSON. Raises UserError if that is invalid."""
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise UserError(messages.UNREADABLE_CONFIG, file=path.name, key=CONFIG, reason=get_reason(error)) from error


def convert_to_kohya(path: Path, target: Path) -> None:
    """Writes a copy of a LoRA in kohya's format. A failure leaves no partial file; existing files stay.

    Raises UserError if the LoRA is already in kohya's format, cannot be read or has an unknown tensor. Also raises
    UserError if the target exists or cannot be written.
    """
    lora = read_lora(path)
    if lora.format == KOHYA:
        raise UserError(messages.ALREADY_KOHYA, file=path.name)
    metadata = {**lora.metadata, **LABELS.get(lora.family or "", {}), "format": "pt"}
    config = read_config(path, metadata.pop(CONFIG, "{}"))  # diffusers rejects files that also have alphas
    tensors = convert_tensors(path, lora.family, config)
    part = None
    try:
        part = make_part(target)
        save_file(tensors, part, metadata=metadata)
        shutil.copymode(path, part)
        move_into_place(part, target)
    except FileExistsError as error:
        raise UserError(messages.FILE_EXISTS, file=target.name) from error
    except (OSError, SafetensorError) as error:
        raise UserError(messages.CANNOT_WRITE, file=target.name, reason=get_reason(error)) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()


def make_part(target: Path) -> Path:
    """Creates an empty, uniquely named file beside the target, so that parallel conversions do not share one."""
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=".part", dir=target.parent)
    os.close(handle)
    return Path(name)


def convert_tensors(path: Path, family: str | None, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Returns a file's tensors by kohya's names, with an alpha for each module. Raises UserError for unknown names."""
    converted: dict[str, torch.Tensor] = {}
    for key, tensor in load_file(path).items():
        match = SOURCE_KEY.match(key.replace("_orig_mod.", ""))
        if match is None:
            raise UserError(messages.UNKNOWN_TENSOR, file=path.name, tensor=key)
        name = get_kohya_name(match["part"], match["module"], family)
        if match["side"] is None:
            converted[f"{name}.alpha"] = tensor
            continue
        side = SIDES[match["side"]]
        converted[f"{name}.{side}.weight"] = tensor.contiguous()
        if side == "lora_down":
            alpha = get_alpha(config, match["part"], match["module"], tensor.shape[0])
            converted.setdefault(f"{name}.alpha", torch.tensor(alpha, dtype=torch.float32))
    return converted
