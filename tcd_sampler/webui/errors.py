"""Errors where the user looks: in the WebUI's page, and over HTTP.

A UserError becomes one sentence, and status 422. Anything else is a bug: its traceback is in the log, and the user is
told to look there.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import HTTPException
from modules import errors, shared

from .. import messages
from ..errors import UserError
from ..messages import Message
from .compat.page import runs_script, shows_errors
from .notify import notify
from .translation import translate


class BadInput(HTTPException):
    """A UserError as the host's page and API show it."""

    def __init__(self, error: UserError) -> None:
        super().__init__(status_code=422, detail=translate(error.message))

    def __str__(self) -> str:  # what the page shows
        return str(self.detail)


BadInput.__name__ = "Error"  # which pages show before the sentence


@contextmanager
def bad_input() -> Iterator[None]:
    """Turns a UserError into BadInput, for what the host calls itself."""
    try:
        yield
    except UserError as error:
        raise BadInput(error) from error


@contextmanager
def refusing(p: Any) -> Iterator[None]:
    """Has the job raise what a script's part in it raises; the host would log that and go on.

    A bug ends the job too, which would run with other settings than were asked for.
    """
    try:
        yield
    except UserError as error:
        refuse(p, BadInput(error))
    except BadInput as error:
        refuse(p, error)
    except Exception as error:
        failure = RuntimeError(translate(describe_failure(error)))
        failure.__cause__ = error
        refuse(p, failure)


@contextmanager
def reporting(p: Any) -> Iterator[None]:
    """For what a job can do without: a bug is in the log, once, and the user is told."""
    try:
        yield
    except Exception as error:
        notify(p, describe_failure(error))
        log(error)


def log(error: Exception) -> None:
    """Puts a bug's traceback where the WebUI puts its own: not all have a log that takes ours."""
    errors.report("TCD: internal error\n" + "".join(traceback.format_exception(error)))


def describe_failure(error: Exception) -> Message:
    return Message(messages.FAILED, {"error": type(error).__name__})


def refuse(p: Any, error: Exception) -> None:
    """Makes the job raise as soon as it starts.

    Where what a job raises would not be shown either, it ends without an image, and says why below. But a script like
    SD upscale, which makes something of its jobs' images, would go on without any, so there it raises all the same.
    """

    def init(*_: Any, **__: Any) -> None:
        del p.init
        if shows_errors(p) or runs_script(p):
            raise error
        if not isinstance(error, BadInput):
            log(error)
        p.comment(str(error))
        p.do_not_save_grid = True  # of no images
        shared.state.interrupt()

    p.init = init
