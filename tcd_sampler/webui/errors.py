"""Bad input, said where the user looks: in the WebUI's page, and over HTTP as a 422."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import HTTPException
from modules import shared

from .host import shows_errors


class BadInput(HTTPException):
    """What was asked cannot be done; says why in one sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(status_code=422, detail=sentence)

    def __str__(self) -> str:  # what the page shows
        return str(self.detail)


@contextmanager
def bad_input() -> Iterator[None]:
    """Turns a ValueError, which is how the sampler itself refuses, into BadInput."""
    try:
        yield
    except ValueError as error:
        raise BadInput(str(error)) from error


def refuse(p: Any, error: BadInput) -> None:
    """Makes the job raise as soon as it starts. What a script raises itself, the host logs and goes on.

    Where what a job raises would not be shown either, it ends without a picture, and says why below.
    """

    def init(*_: Any, **__: Any) -> None:
        del p.init
        if shows_errors(p):
            raise error
        p.comment(str(error))
        shared.state.interrupt()

    p.init = init
