"""The extension's state of a job, `p.tcd`. Plain data, because other extensions copy, pickle and send jobs.

It is immutable, because copies of a job share it.
"""

from typing import Any, NamedTuple


class Gammas(NamedTuple):
    """The gammas of a job's first pass and hires pass."""

    first: float
    hires: float


class State(NamedTuple):
    """The gammas and messages of a job."""

    gammas: Gammas | None = None
    """None for a job that does not use TCD or ran without the script."""

    messages: tuple[str, ...] = ()
    """Translated messages for the user."""


def get_state(p: Any) -> State:
    """Returns a job's state, or an empty one if it has none."""
    state: State = vars(p).get("tcd") or State()
    return state


def set_gammas(p: Any, gammas: Gammas | None) -> None:
    p.tcd = get_state(p)._replace(gammas=gammas)


def set_messages(p: Any, messages: tuple[str, ...]) -> None:
    p.tcd = get_state(p)._replace(messages=messages)
