"""Reads a LoRA file's base family, format and rank from its header."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from .. import messages
from ..errors import UserError, get_reason

SDXL, SD2, SD1 = "SDXL", "SD 2.1", "SD 1.5"

KOHYA, PEFT, DIFFUSERS, PROCESSORS, OTHER = "kohya", "PEFT", "diffusers", "diffusers processors", "another"
"""Naming schemes of tensors. All WebUIs load kohya's format, and some load that of diffusers' processors.

No WebUI loads more than parts of PEFT and diffusers.
"""

FAMILIES = {768: SD1, 1024: SD2, 2048: SDXL}
"""Base families by the width of the text embeddings in the cross attention's keys and values."""

DECLARED = {
    r"sdxl_|stable-diffusion-xl": SDXL,
    r"sd_v2|stable-diffusion-v2": SD2,
    r"sd_v1|sd_1\.5|stable-diffusion-v1": SD1,
}
"""Base families by the metadata that declare them."""

DOWN = re.compile(r"(lora_down|lora_A|down|hada_w1_b)(\.default)?(\.weight)?$")
BLOCK = r"(?:(?:down|up|input|output)_blocks[._]\d|mid(?:dle)?_block[._])"
"""Blocks that only a UNet has. Other models, such as LTX-Video, also have an attn2."""

CROSS_ATTENTION = re.compile(rf"{BLOCK}.*attn2[._](processor[._])?to_[kv]")

TEXT_ENCODER = ("lora_te", "text_encoder")

DISTILLED_LAYOUTS = {834, 2364}
"""Tensors of a LoRA for every UNet layer of SD 1.5 and SDXL. LCM's training script, and most others, save these."""

SAFETENSORS = ".safetensors"

PREFIXES = {
    messages.WEB_PAGE: (b"<",),
    messages.LFS_POINTER: (b"version https://git-lfs",),
    messages.PICKLE_FILE: (b"PK\x03\x04", *(b"\x80" + bytes([protocol]) for protocol in range(2, 6))),
}
"""First bytes of files that cannot be loaded. (A valid safetensors file may start with any byte.)"""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LoRA:
    """A LoRA file. family and rank are None if unknown; size is in bytes, tensors is their number."""

    name: str
    size: int
    family: str | None
    format: str
    rank: int | None
    tensors: int
    has_text_encoder: bool
    metadata: dict[str, str]

    @property
    def looks_distilled(self) -> bool:
        """Whether the layout is that of published distillations (TCD, LCM, ...). It does not identify the method."""
        return self.tensors in DISTILLED_LAYOUTS and self.rank == 64 and not self.has_text_encoder


def read_lora(path: Path) -> LoRA:
    """Returns what a LoRA file's header tells. Raises UserError if it is not a safetensors file."""
    try:
        with safe_open(path, framework="numpy") as file:
            keys = list(file.keys())
            get_shape: Callable[[str], Shape] = lambda key: tuple(file.get_slice(key).get_shape())  # noqa: E731
            downs = [key for key in keys if DOWN.search(key)]
            return LoRA(
                name=path.stem,
                size=path.stat().st_size,
                family=find_family(keys, get_shape) or find_declared_family(file.metadata() or {}),
                format=find_format(keys),
                rank=next((shape[0] for shape in map(get_shape, downs) if shape), None),
                tensors=len(keys),
                has_text_encoder=any(key.startswith(TEXT_ENCODER) for key in keys),
                metadata=file.metadata() or {},
            )
    except (OSError, SafetensorError) as error:
        raise UserError(messages.NOT_SAFETENSORS, file=path.name, reason=get_reason(error)) from error


def find_fault(path: Path) -> str | None:
    """Returns the template of the message that says why no WebUI can load a LoRA file, or None if one can."""
    is_safetensors = path.suffix.lower() == SAFETENSORS
    try:
        if is_safetensors:
            with safe_open(path, framework="numpy"):
                return None
    except (OSError, SafetensorError):
        pass
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip()
    except OSError:
        return messages.DAMAGED_FILE if path.exists() else messages.MISSING_FILE
    if not start:
        return messages.EMPTY_FILE
    known = (fault for fault, prefixes in PREFIXES.items() if start.startswith(prefixes))
    found = next(known, messages.DAMAGED_FILE)
    return found if is_safetensors or found in (messages.WEB_PAGE, messages.LFS_POINTER) else None


def find_format(keys: Iterable[str]) -> str:
    """Returns the format that the tensors' names follow."""
    first = next((key for key in keys if "lora" in key), "")
    if first.startswith(("lora_unet_", "lora_te")):
        return KOHYA
    if ".lora_A." in first or ".lora_B." in first:
        return PEFT
    if ".processor." in first:
        return PROCESSORS
    if first.startswith(("unet.", "text_encoder", "down_blocks.", "mid_block.", "up_blocks.")):
        return DIFFUSERS
    return OTHER


def find_declared_family(metadata: dict[str, str]) -> str | None:
    """Returns the base family that the metadata declare, or None."""
    declared = [metadata.get(name, "") for name in ("ss_base_model_version", "modelspec.architecture")]
    return next((family for pattern, family in DECLARED.items() for text in declared if re.match(pattern, text)), None)


def find_family(keys: list[str], get_shape: Callable[[str], Shape]) -> str | None:
    """Returns the base family that the tensors belong to, or None.

    The cross attention's width decides. Without cross attention, the blocks and the kind of projection do.
    """
    for key in keys:
        if CROSS_ATTENTION.search(key) and DOWN.search(key) and len(get_shape(key)) > 1:
            return FAMILIES.get(get_shape(key)[1])
    names = " ".join(keys).replace(".", "_")
    if not re.search(BLOCK, names) and not all(key.startswith(TEXT_ENCODER) for key in keys):
        return None
    if re.search(r"lora_te2_|text_encoder_2_|transformer_blocks_[1-9]", names):
        return SDXL
    if not re.search(
        r"(down|up)_blocks_3_|(in|out)put_blocks_(9|10|11)_|(down_blocks_0|up_blocks_3)_attentions", names
    ):
        return None
    projections = [get_shape(key) for key in keys if re.search(r"proj_(in|out)\b", key) and DOWN.search(key)]
    if not projections:
        return None
    return SD1 if len(projections[0]) == 4 else SD2  # SD 1.x uses convolutions as projections
