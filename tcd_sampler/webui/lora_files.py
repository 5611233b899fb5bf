"""Gets published LoRAs into the host's folder, and makes copies of those in formats that it does not load."""

import time
from collections.abc import Iterator
from pathlib import Path

from .. import messages
from ..errors import UserError
from ..loras.catalogue import Published
from ..loras.conversion import convert_to_kohya
from ..loras.prompt import find_loras
from .compat.files import get_lora_folder
from .compat.networks import FOREIGN_FORMATS, add_to_list
from .compat.options import strips_comments
from .loras import look_up, read_header

SECONDS = 0.3
"""Between two signs of progress: each takes the page longer than a piece of the file does."""


def get(lora: Published) -> Iterator[int]:
    """Puts it into the host's folder and list; yields now and then how many bytes are there. ValueError if it fails."""
    try:
        from ..loras.download import DownloadError, download
    except ImportError as error:  # all hosts have it so far, but none says so
        raise UserError(messages.NO_PACKAGE, lora=lora.name, package=error.name) from error
    said = -SECONDS
    try:
        for done in download(lora, get_lora_folder()):
            if time.monotonic() - said > SECONDS:
                said = time.monotonic()
                yield done
    except DownloadError as error:
        raise ValueError(str(error)) from error
    add_to_list(lora.name)


def find_foreign(prompt: str) -> str | None:
    """The first of a prompt's LoRAs that the host would load little or nothing of."""
    for name, _ in find_loras(prompt, strips_comments()):
        entry = look_up(name)
        header = read_header(entry) if entry else None
        if header and header.format in FOREIGN_FORMATS:
            return name
    return None


def convert(name: str) -> str:
    """Puts a copy of a LoRA in kohya's format beside it, and returns its name. ValueError where that cannot be done."""
    source = Path(look_up(name).filename)
    target = source.with_name(f"{source.stem}-kohya.safetensors")
    convert_to_kohya(source, target)
    add_to_list(target.stem)
    return target.stem
