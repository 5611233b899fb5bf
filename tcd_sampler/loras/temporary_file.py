"""Moves a finished temporary file to its final name without replacing a file there."""

import os
from pathlib import Path


def move_into_place(part: Path, final: Path) -> None:
    """Gives the file its final name in one step. Raises FileExistsError if that name is taken."""
    try:
        os.link(part, final)
    except (OSError, AttributeError):  # the name is taken, or the disk has no hard links
        rename(part, final)


def rename(part: Path, final: Path) -> None:
    """Reserves the name with an empty file, which the finished one then replaces."""
    final.open("xb").close()
    try:
        part.replace(final)
    except BaseException:
        final.unlink()
        raise
