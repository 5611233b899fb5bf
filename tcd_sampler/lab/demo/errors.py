"""Shortens other libraries' errors to one line, and turns a lack of memory into a UserError."""

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import UserError
from .. import messages


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")


def is_out_of_memory(error: BaseException) -> bool:
    """torch has an exception of its own for a GPU's memory, and none for the CPU's."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "not enough memory" in str(error)


@contextmanager
def refuse_without_memory() -> Iterator[None]:
    """Raises UserError if there is not enough memory for the block."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(messages.OUT_OF_MEMORY) from error
