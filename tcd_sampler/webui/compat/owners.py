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
    """Returns the folder name of the extension that defines a function, or the function's file name."""
    function = getattr(function, "func", function)  # functools.partial
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if code is None:
        return type(function).__name__
    path = Path(code.co_filename)
    folders = ["", *(parent.name for parent in path.parents)]
    names = (
        inner for inner, outer in zip(folders, folders[1:]) if inner and outer in ("extensions", "extensions-builtin")
    )
    return next(names, path.name)


def is_host_function(function: Any) -> bool:
    """Whether the host defines a function, such as the hooks that move a model's parts with --medvram."""
    return (getattr(function, "__module__", None) or "").split(".")[0] in HOST_PACKAGES
