"""Fills a folder with sparse LoRA files: their headers are as large as real ones, and their weights are holes."""

import json
from functools import cache
from math import prod
from pathlib import Path

from ..support.layers import find_layers, name_kohya

RANKS = (8, 16, 32)
"""The files' ranks, in turn. No published distillation has one of these ranks, and so none has their sizes."""


@cache
def make_tensors(rank: int) -> tuple[bytes, int]:
    """Returns the header's entries for the 2,364 tensors of an SDXL LoRA in kohya's format, and the weights' bytes."""
    entries, end = {}, 0
    for name, shape in name_kohya(find_layers("SDXL"), rank).items():
        start, end = end, end + 2 * prod(shape)
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    return json.dumps(entries, separators=(",", ":")).encode()[1:], end


def make_metadata(number: int, rank: int) -> bytes:
    """Returns the header's metadata, which one file in ten lacks."""
    if number % 10 == 0:
        return b"{"
    metadata = {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_network_dim": str(rank),
        "ss_network_module": "networks.lora",
        "ss_output_name": f"style_{number}",
    }
    return b'{"__metadata__":' + json.dumps(metadata).encode() + b","


def write_loras(folder: Path, count: int) -> None:
    """Writes style-0001.safetensors and so on, up to the count. Existing files are left unchanged."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        file = folder / f"style-{number:04}.safetensors"
        if file.exists():
            continue
        rank = RANKS[number % len(RANKS)]
        tensors, size = make_tensors(rank)
        header = make_metadata(number, rank) + tensors
        header += b" " * (-len(header) % 8)
        with file.open("wb") as out:
            out.write(len(header).to_bytes(8, "little") + header)
            out.truncate(8 + len(header) + size)
