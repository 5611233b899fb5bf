"""What a LoRA file is, by its header alone: its base family, its format, its rank. And a copy in the WebUIs' format."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

SDXL, SD2, SD1 = "SDXL", "SD 2.1", "SD 1.5"

KOHYA, PEFT, DIFFUSERS, OTHER = "kohya", "PEFT", "diffusers", "another"
"""Formats: how tensors are named. The WebUIs load kohya's; of the next two, only parts or nothing."""

FAMILIES = {768: SD1, 1024: SD2, 2048: SDXL}
"""By the width of the text that the cross attention's keys and values are made of."""

DOWN = re.compile(r"(lora_down|lora_A|down|hada_w1_b|lokr_w2_b)(\.default)?(\.weight)?$")
CROSS_ATTENTION = re.compile(r"attn2[._](processor[._])?to_[kv]")

DISTILLED_LAYOUTS = {834, 2364}
"""Tensors in LCM's training script's files, which those of most distillations are: every layer of SD's, of SDXL's UNet."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LoRA:
    """A LoRA file; a family or a rank of None could not be told."""

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
        """Whether its layout is that of the published distillations (TCD, LCM, Lightning, ...). It does not say which."""
        return self.tensors in DISTILLED_LAYOUTS and self.rank == 64 and not self.has_text_encoder


def read_lora(path: Path) -> LoRA:
    """Reads a safetensors file's header. ValueError, in one sentence, where it is none."""
    try:
        with safe_open(path, framework="numpy") as file:
            keys = list(file.keys())
            get_shape: Callable[[str], Shape] = lambda key: tuple(file.get_slice(key).get_shape())  # noqa: E731
            downs = [key for key in keys if DOWN.search(key)]
            return LoRA(
                name=path.stem,
                size=path.stat().st_size,
                family=find_family(keys, get_shape),
                format=find_format(keys),
                rank=get_shape(downs[0])[0] if downs else None,
                tensors=len(keys),
                has_text_encoder=any(key.startswith(("lora_te", "text_encoder")) for key in keys),
                metadata=file.metadata() or {},
            )
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path.name} cannot be read as a safetensors file ({error}).") from error


def find_format(keys: Iterable[str]) -> str:
    first = next((key for key in keys if "lora" in key), "")
    if first.startswith(("lora_unet_", "lora_te")):
        return KOHYA
    if ".lora_A." in first or ".lora_B." in first:
        return PEFT
    if first.startswith(("unet.", "text_encoder")):
        return DIFFUSERS
    return OTHER


def find_family(keys: list[str], get_shape: Callable[[str], Shape]) -> str | None:
    """By the cross attention's width if there is any; then by which blocks there are, and the kind of projection."""
    for key in keys:
        if CROSS_ATTENTION.search(key) and DOWN.search(key):
            return FAMILIES.get(get_shape(key)[1])
    names = " ".join(keys).replace(".", "_")
    if re.search(r"lora_te2_|text_encoder_2_|transformer_blocks_[1-9]", names):
        return SDXL
    if not re.search(
        r"(down|up)_blocks_3_|(in|out)put_blocks_(9|10|11)_|(down_blocks_0|up_blocks_3)_attentions", names
    ):
        return None
    projections = [get_shape(key) for key in keys if re.search(r"proj_(in|out)\b", key) and DOWN.search(key)]
    if not projections:
        return None
    return SD1 if len(projections[0]) == 4 else SD2  # SD 1.x projects by convolution


FOREIGN = re.compile(
    r"^(?P<module>.+?)(_lora|\.lora|\.lora_linear_layer)?\.(?P<side>lora_A|lora_B|down|up)(\.default)?\.weight$"
)
SIDES = {"lora_A": "lora_down", "down": "lora_down", "lora_B": "lora_up", "up": "lora_up"}


def get_kohya_name(module: str, family: str | None) -> str:
    """A module's name, such as unet.mid_block.attentions.0.proj_in, as kohya's scripts write it."""
    part, _, rest = module.removeprefix("base_model.model.").replace("_orig_mod.", "").partition(".")
    prefixes = {"text_encoder": "lora_te1" if family == SDXL else "lora_te", "text_encoder_2": "lora_te2"}
    if part not in (*prefixes, "unet"):
        part, rest = "unet", f"{part}.{rest}"
    rest = re.sub(r"to_out$", "to_out.0", rest.replace(".processor.", "."))
    return f"{prefixes.get(part, 'lora_unet')}_{rest}".replace(".", "_")


def get_alpha(metadata: dict[str, str], module: str, rank: int) -> float:
    """What a file without alphas is scaled by, over its rank: diffusers writes it down where it is not 1."""
    config = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    return float(config.get(f"{module.partition('.')[0]}.lora_alpha", rank))


def convert_to_kohya(path: Path, target: Path) -> None:
    """Writes a copy in kohya's format. ValueError where a tensor has no place in it, or the file cannot be read."""
    # numpy would do for float16 and float32, but not for bfloat16
    import torch
    from safetensors.torch import load_file, save_file

    lora = read_lora(path)
    converted: dict[str, torch.Tensor] = {}
    for key, tensor in load_file(path).items():
        match = FOREIGN.match(key)
        if match is None and not key.endswith(".alpha"):
            raise ValueError(f"{path.name} cannot be converted: it has a tensor {key}.")
        module = match["module"] if match else key.removesuffix(".alpha").removesuffix("_lora").removesuffix(".lora")
        name = get_kohya_name(module, lora.family)
        if match is None:
            converted[f"{name}.alpha"] = tensor
            continue
        side = SIDES[match["side"]]
        converted[f"{name}.{side}.weight"] = tensor.contiguous()
        if side == "lora_down":
            alpha = get_alpha(lora.metadata, module, tensor.shape[0])
            converted.setdefault(f"{name}.alpha", torch.tensor(alpha, dtype=torch.float32))
    save_file(converted, target, metadata={**lora.metadata, "format": "pt"})
