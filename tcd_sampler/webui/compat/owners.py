"""Whose a function is: the host's, or another extension's."""

import inspect
from pathlib import Path
from typing import Any


def is_replaced(owner: Any, name: str) -> bool:
    """Whether an object runs other code by this name than its class does."""
    method = vars(owner).get(name)
    return method is not None and getattr(method, "__func__", method) is not getattr(type(owner), name, None)


def name_owner(function: Any) -> str:
    """Returns the extension that a function is of, by the folder of its file, or the file's name."""
    function = getattr(function, "func", function)  # of a functools.partial
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if code is None:
        return type(function).__name__
    path = Path(code.co_filename)
    folders = ["", *(parent.name for parent in path.parents)]
    of = (
        inner for inner, outer in zip(folders, folders[1:]) if inner and outer in ("extensions", "extensions-builtin")
    )
    return next(of, path.name)


def is_hosts_own(function: Any) -> bool:
    """Whether a function is of the host's modules, such as the hooks that move a model's parts in its --medvram."""
    return (getattr(function, "__module__", None) or "").split(".")[0] == "modules"
