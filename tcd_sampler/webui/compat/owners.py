"""Tells whether a function belongs to the host or to another extension."""

import inspect
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
    function = getattr(function, "func", function)  # functools.partial
    function = inspect.unwrap(function, stop=find_extension_name)
    if not hasattr(function, "__code__"):
        return type(function).__name__
    return find_extension_name(function) or Path(function.__code__.co_filename).name


def find_extension_name(function: Any) -> str:
    """Returns the folder name of the extension whose file contains a function's code, or "" if none does."""
    code = getattr(function, "__code__", None)
    folders = ["", *(parent.name for parent in Path(code.co_filename).parents)] if code else []
    pairs = zip(folders, folders[1:])
    return next((inner for inner, outer in pairs if inner and outer in ("extensions", "extensions-builtin")), "")


def is_host_function(function: Any) -> bool:
    """Whether the host defines a function, such as the hooks that move a model's parts with --medvram."""
    return (getattr(function, "__module__", None) or "").split(".")[0] in HOST_PACKAGES
