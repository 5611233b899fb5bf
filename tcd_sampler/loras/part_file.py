"""A file that is written beside its place: one process at a time has it, a killed one's is taken up, none is left."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def lock(file: BinaryIO) -> None:
        file.seek(2**31 - 2)  # a locked byte cannot be read by others: one behind the end
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class TakenError(Exception):
    """Another process has the part file locked."""


@contextmanager
def open_part(path: Path) -> Iterator[BinaryIO]:
    """The locked part file, with what a killed process left in it, at its end. Removes it afterwards."""
    with path.open("a+b") as file:
        if not take(file, path):
            raise TakenError
        try:
            file.seek(0, os.SEEK_END)
            yield file
        finally:
            if sys.platform == "win32":
                close(file)  # an open file cannot be removed there
            with suppress(OSError):
                path.unlink()
            close(file)


def take(file: BinaryIO, path: Path) -> bool:
    """Locks the part file, unless another has it."""
    try:
        lock(file)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # some network drives have no locks: two downloads at once then are found out by the check at the end
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:  # by who had it until now
        return False


def empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def close(file: BinaryIO) -> None:
    with suppress(OSError):  # a full disk, again, over what is left to be written
        file.close()


def put_in_place(part: Path, final: Path) -> None:
    """Gives a file its name in one step. FileExistsError if there is such a file, which stays."""
    try:
        os.link(part, final)
    except (OSError, AttributeError):  # there is such a file, or no hard links here
        rename(part, final)


def rename(part: Path, final: Path) -> None:
    """An empty file keeps the name free from others until the part file replaces it."""
    final.open("xb").close()
    try:
        part.replace(final)
    except BaseException:
        final.unlink()
        raise
