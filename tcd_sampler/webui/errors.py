"""Bad input, said where the user looks: in the WebUI's page, and over HTTP as a 422."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import HTTPException
from modules import errors, shared

from ..messages import FAILED, Message
from .compat.host import shows_errors
from .said import say
from .translation import translate


class BadInput(HTTPException):
    """What was asked cannot be done; says why in one sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(status_code=422, detail=sentence)

    def __str__(self) -> str:  # what the page shows
        return str(self.detail)


BadInput.__name__ = "Error"  # which pages show before the sentence


@contextmanager
def bad_input() -> Iterator[None]:
    """Turns a ValueError, which is how the sampler itself refuses, into BadInput."""
    try:
        yield
    except ValueError as error:
        raise BadInput(str(error)) from error


@contextmanager
def refusing(p: Any) -> Iterator[None]:
    """For a script's part in a job: what it raises itself, the host logs and goes on.

    A bug ends the job too, which would run with other settings than were asked for.
    """
    try:
        yield
    except BadInput as error:
        refuse(p, error)
    except Exception as error:
        failure = RuntimeError(describe_failure(error))
        failure.__cause__ = error
        refuse(p, failure)


@contextmanager
def reporting(p: Any) -> Iterator[None]:
    """For what a job can do without: a bug is in the log, once, and the user is told."""
    try:
        yield
    except Exception as error:
        say(p, FAILED, error=type(error).__name__)
        log(error)


def log(error: Exception) -> None:
    """Puts a bug's traceback where the WebUI puts its own: not all have a log that takes ours."""
    errors.report("TCD: internal error\n" + "".join(traceback.format_exception(error)))


def describe_failure(error: Exception) -> str:
    return translate(Message(FAILED, {"error": type(error).__name__}))


def refuse(p: Any, error: Exception) -> None:
    """Makes the job raise as soon as it starts.

    Where what a job raises would not be shown either, it ends without a picture, and says why below. But a script like
    SD upscale, which makes something of its jobs' pictures, would go on without any, so there it raises all the same.
    """

    def init(*_: Any, **__: Any) -> None:
        del p.init
        if shows_errors(p) or (p.script_args and p.script_args[0]):  # the first is the script that runs the job, if any
            raise error
        if not isinstance(error, BadInput):
            log(error)
        p.comment(str(error))
        p.do_not_save_grid = True  # of no pictures
        shared.state.interrupt()

    p.init = init
