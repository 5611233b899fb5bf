"""Checks output files before a command starts its work, and writes images."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import UserError
from . import messages


def check_folder(option: str, path: Path) -> None:
    """Raises UserError if the file cannot be written where it is to be. Its content, if it exists, stays."""
    if not path.parent.is_dir():
        raise UserError(messages.NO_FOLDER, field=option, file=path, folder=path.parent)
    existed = path.exists()
    with writing(path, option):  # only an attempt tells: permissions are one of several reasons
        path.open("ab").close()
    if not existed:
        path.unlink()


def check_output(path: Path) -> None:
    """Raises UserError if --output is not an image file that can be written."""
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise UserError(messages.NO_IMAGE_SUFFIX, file=path)
    check_folder("--output", path)


@contextmanager
def writing(path: Path, option: str = "--output") -> Iterator[None]:
    """Raises UserError if the option's file cannot be written in the block."""
    try:
        yield
    except OSError as error:
        raise UserError(messages.CANNOT_WRITE, field=option, file=path, reason=error.strerror or error) from error


def make_png_info(image: Image.Image) -> PngInfo:
    """Returns the image's settings as the WebUI stores them in PNG files."""
    info = PngInfo()
    info.add_text("parameters", image.info["parameters"])
    return info


def write_image(image: Image.Image, path: Path) -> None:
    """Writes an image with its infotext, which PNG files store. Raises UserError if it cannot."""
    with writing(path):
        image.save(path, pnginfo=make_png_info(image))
