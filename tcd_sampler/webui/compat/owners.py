"""Tells whether a function belongs to the host or to another extension."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOST_PACKAGES = {"modules", "tomesd"}
"""The host's own code and the library that it uses for token merging."""


def is_replaced(owner: Any, name: str) -> bool:
    """Whether an object has a method of its own in place of its class's method."""
    method = vars(owner).get(name)
    return method is not None and getattr(method, "__func__", method) is not getattr(type(owner), name, None)


def get_owner_name(function: Any) -> str:
    """Returns the folder name of the extension that defines a function, or else the function's file name.

    A decorated function contains others. Either the decorator or what it decorates may be an extension's.
    """
    paths = [Path(inner.__code__.co_filename) for inner in unwrap(function) if hasattr(inner, "__code__")]
    if not paths:
        return type(function).__name__
    return next(filter(None, map(find_extension_name, paths)), paths[-1].name)


def unwrap(function: Any) -> Iterator[Any]:
    """Yields a function and those that it contains, the outermost first."""
    function = getattr(function, "func", function)  # functools.partial
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def find_extension_name(path: Path) -> str:
    """Returns the folder name of the extension that contains a file, or "" if none does."""
    folders = ["", *(parent.name for parent in path.parents)]
    pairs = zip(folders, folders[1:])
    return next((inner for inner, outer in pairs if inner and outer in ("extensions", "extensions-builtin")), "")


def is_host_function(function: Any) -> bool:
    """Whether the host defines a function, such as the hooks that move a model's parts with --medvram."""
    return (getattr(function, "__module__", None) or "").split(".")[0] in HOST_PACKAGES
