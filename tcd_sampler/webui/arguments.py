"""Changes a job's arguments for this extension's script, which are part of the list for all scripts."""

from typing import Any

from .names import NAME


def set_arguments(p: Any, script: Any, *values: Any, first: int = 0) -> None:
    """Sets a job's arguments for a script, starting with the one at index first.

    The job gets a new list, because copies of a job, such as a plot's cells, share one. Jobs that another extension
    created without arguments are left unchanged.
    """
    arguments, start = list(p.script_args), script.args_from + first
    if len(arguments) >= start + len(values):
        arguments[start : start + len(values)] = values
        p.script_args = type(p.script_args)(arguments)


def set_argument(p: Any, index: int, value: Any) -> None:
    """Sets one of a job's arguments for this extension's script."""
    for script in p.scripts.alwayson_scripts if p.scripts else ():
        if script.title() == NAME:
            set_arguments(p, script, value, first=index)
