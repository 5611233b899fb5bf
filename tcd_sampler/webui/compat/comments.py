"""Comments in prompts, which start with #, in some hosts also with // or /*. A1111 before 1.8 has none."""

import sys
from pathlib import PurePath
from types import FunctionType, SimpleNamespace
from typing import Any

from modules import scripts, shared

from ...loras.prompt import Strip, keep
from .options import get_setting

SETTING = "enable_prompt_comments"
FILE = ("processing_scripts", "comments.py")
FORGES_MODULE = "modules.processing_scripts.comments"


def get_strip(p: Any = None) -> Strip:
    """Returns the function by which the host removes comments from a job's prompts."""
    strip = find_strip()
    if strip is None or (SETTING in shared.opts.data_labels and not get_setting(p, SETTING, True)):
        return keep
    return strip if strip("#") != "#" else turn_on(strip)


def find_strip() -> Any:
    """Returns the host's function. It is a script's, which is not imported, or in Forge a module's."""
    found = [script.module for script in scripts.scripts_data if PurePath(script.path).parts[-2:] == FILE]
    return getattr(found[0] if found else sys.modules.get(FORGES_MODULE), "strip_comments", None)


def turn_on(strip: FunctionType) -> Strip:
    """Returns the function as it is with the setting on.

    Forge's and Neo's function reads the setting itself, which a job's override does not reach before the job starts.
    """
    on = SimpleNamespace(opts=SimpleNamespace(**{SETTING: True}))
    return FunctionType(strip.__code__, {**strip.__globals__, "shared": on})
