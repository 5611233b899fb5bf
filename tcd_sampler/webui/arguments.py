"""A job's arguments for this extension's script, which stand among those of all scripts."""

from typing import Any

from .names import NAME


def set_arguments(p: Any, script: Any, *values: Any) -> None:
    """Gives a job arguments of its own: copies of a job, such as a plot's cells, share theirs.

    A job that another extension made without arguments stays without.
    """
    arguments, end = list(p.script_args), script.args_from + len(values)
    if len(arguments) >= end:
        arguments[script.args_from : end] = values
        p.script_args = type(p.script_args)(arguments)


def set_argument(p: Any, index: int, value: Any) -> None:
    """Gives a job one of them."""
    for script in p.scripts.alwayson_scripts if p.scripts else ():
        if script.title() == NAME:
            own = list(p.script_args[script.args_from : script.args_to])
            set_arguments(p, script, *own[:index], value, *own[index + 1 :])
