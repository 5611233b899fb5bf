"""Checks output files before a command starts its work, and writes images."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import UserError
from . import messages


def check_folder(option: str, path: Path) -> None:
    """Raises UserError if the file's folder does not exist."""
    if not path.parent.is_dir():
        raise UserError(messages.NO_FOLDER, field=option, file=path, folder=path.parent)


def check_output(path: Path) -> None:
    """Raises UserError if --output is not an image file in a folder that exists."""
    check_folder("--output", path)
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise UserError(messages.NO_IMAGE_SUFFIX, file=path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises UserError if --output cannot be written in the block."""
    try:
        yield
    except OSError as error:
        raise UserError(messages.CANNOT_WRITE, file=path, reason=error.strerror or error) from error


def write_image(image: Image.Image, path: Path, parameters: str) -> None:
    """Writes an image with its infotext, which PNG files store as the WebUI's do. Raises UserError if it cannot."""
    settings = PngInfo()
    settings.add_text("parameters", parameters)
    with writing(path):
        image.save(path, pnginfo=settings)
