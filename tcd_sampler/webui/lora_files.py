"""Downloads published LoRAs into the host's folder, and converts LoRAs that the host cannot load."""

import time
from collections.abc import Iterator
from pathlib import Path

from .. import messages
from ..errors import UserError
from ..loras.catalogue import PublishedLoRA
from ..loras.conversion import convert_to_kohya
from ..loras.prompt import find_loras
from .compat.comments import get_strip
from .compat.files import get_lora_folder
from .compat.networks import UNSUPPORTED_FORMATS, add_to_list
from .loras import look_up, read_header

PROGRESS_INTERVAL = 0.3
"""Seconds between two progress updates. The page needs longer for an update than a chunk takes to download."""


def download_lora(lora: PublishedLoRA) -> Iterator[int]:
    """Downloads a LoRA into the host's folder and adds it to the host's list.

    Yields the number of downloaded bytes at intervals. Raises UserError if the download fails.
    """
    try:
        from ..loras.download import download
    except ImportError as error:  # all tested hosts have requests, but none guarantees it
        raise UserError(messages.NO_PACKAGE, lora=lora.name, package=error.name) from error
    reported = -PROGRESS_INTERVAL
    for done in download(lora, get_lora_folder()):
        if time.monotonic() - reported > PROGRESS_INTERVAL:
            reported = time.monotonic()
            yield done
    add_to_list(lora.name)


def find_unsupported(prompt: str) -> str | None:
    """Returns the name of the first LoRA in a prompt that the host cannot load completely, or None."""
    for name, _ in find_loras(prompt, get_strip()):
        entry = look_up(name)
        header = read_header(entry) if entry else None
        if header and header.format in UNSUPPORTED_FORMATS:
            return name
    return None


def convert(name: str) -> str:
    """Writes a copy of a LoRA in kohya's format beside it and returns the copy's name. Raises UserError on failure."""
    source = Path(look_up(name).filename)
    target = source.with_name(f"{source.stem}-kohya.safetensors")
    convert_to_kohya(source, target)
    add_to_list(target.stem)
    return target.stem
