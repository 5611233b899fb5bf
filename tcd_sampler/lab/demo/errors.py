"""What went wrong, in a line."""


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")


def is_out_of_memory(error: BaseException) -> bool:
    """torch has an exception of its own for a GPU's memory, and none for the CPU's."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "not enough memory" in str(error)
