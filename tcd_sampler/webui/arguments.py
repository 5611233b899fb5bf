"""A job's arguments for this extension's script, which stand among those of all scripts."""

from typing import Any

from .names import NAME


def set_arguments(p: Any, script: Any, *values: Any, first: int = 0) -> None:
    """Gives a job arguments of its own, from the first named on: copies of a job, such as a plot's cells, share theirs.

    A job that another extension made without arguments stays without.
    """
    arguments, start = list(p.script_args), script.args_from + first
    if len(arguments) >= start + len(values):
        arguments[start : start + len(values)] = values
        p.script_args = type(p.script_args)(arguments)


def set_argument(p: Any, index: int, value: Any) -> None:
    """Gives a job one of them."""
    for script in p.scripts.alwayson_scripts if p.scripts else ():
        if script.title() == NAME:
            set_arguments(p, script, value, first=index)
