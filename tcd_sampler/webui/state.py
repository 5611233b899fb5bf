"""What travels on a job, as `p.tcd`: immutable and plain, for other extensions copy, pickle and send what is on a job.

Copies share it, so nothing that one of them does can be seen by another.
"""

from typing import Any, NamedTuple


class Gammas(NamedTuple):
    """The gammas of a job's first and hires pass."""

    first: float
    hires: float


class State(NamedTuple):
    """What a job was prepared with, and what it has to tell its user."""

    gammas: Gammas | None = None
    """None for a job that does not use TCD, or came without the script."""

    messages: tuple[str, ...] = ()
    """Sentences in the page's language."""


def get_state(p: Any) -> State:
    state: State = vars(p).get("tcd") or State()
    return state


def set_gammas(p: Any, gammas: Gammas | None) -> None:
    p.tcd = get_state(p)._replace(gammas=gammas)


def set_messages(p: Any, messages: tuple[str, ...]) -> None:
    p.tcd = get_state(p)._replace(messages=messages)
