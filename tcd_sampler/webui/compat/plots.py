"""The X/Y/Z plot: a script of the host's, loaded from a file as every script is, or a package behind one."""

import inspect
import os
from types import ModuleType
from typing import Any

from modules import scripts


def find_xyz_grid() -> ModuleType | None:
    for script in scripts.scripts_data:
        if os.path.basename(script.path) == "xyz_grid.py" and hasattr(script.module, "axis_options"):
            return script.module  # type: ignore[no-any-return]
    return None


def make_axis(grid: ModuleType, *args: Any, txt2img_only: bool = False, **kwargs: Any) -> Any:
    """An axis option; txt2img_only for what img2img has not. What the host's have no place for is left out."""
    kind = grid.AxisOption
    if txt2img_only:
        kinds = (type(option) for option in grid.axis_options if getattr(option, "is_img2img", None) is False)
        kind = next(kinds, kind)
    known = inspect.signature(grid.AxisOption).parameters  # A1111 1.6 has no "prepare"
    return kind(*args, **{name: value for name, value in kwargs.items() if name in known})
