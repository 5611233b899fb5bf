"""Shows errors in the WebUI's page and in API responses.

A UserError becomes its message, and HTTP 422 in the API. Any other exception is a bug: its traceback goes to the log,
and a message refers the user there.
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
    """A UserError in a form that the host's page and API display."""

    def __init__(self, error: UserError) -> None:
        super().__init__(status_code=422, detail=translate(error.message))

    def __str__(self) -> str:  # the page shows this text
        return str(self.detail)


BadInput.__name__ = "Error"  # pages show the class name before the text


@contextmanager
def bad_input() -> Iterator[None]:
    """Raises BadInput in place of UserError, in functions that the host calls."""
    try:
        yield
    except UserError as error:
        raise BadInput(error) from error


@contextmanager
def refusing(p: Any) -> Iterator[None]:
    """Ends the job with any exception of the block, which is part of a script's callback.

    The host would only log the exception and continue the job with settings other than the requested ones.
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
    """Logs any exception of the block and notifies the user. The job continues without the block's result."""
    try:
        yield
    except Exception as error:
        notify(p, describe_failure(error))
        log(error)


def log(error: Exception) -> None:
    """Reports a bug's traceback as the host reports its own, because some hosts do not show Python's log."""
    errors.report("TCD: internal error\n" + "".join(traceback.format_exception(error)))


def describe_failure(error: Exception) -> Message:
    """Returns the message for a bug."""
    return Message(messages.FAILED, {"error": type(error).__name__})


def refuse(p: Any, error: Exception) -> None:
    """Makes the job raise the error when the host calls its init method.

    Some hosts do not show a job's exceptions in the page. There the job ends without an image and shows the message
    below. Jobs of scripts such as SD upscale always raise, because these scripts would continue without an image.
    """

    def init(*_: Any, **__: Any) -> None:
        del p.init
        if shows_errors(p) or runs_script(p):
            raise error
        if not isinstance(error, BadInput):
            log(error)
        p.comment(str(error))
        p.do_not_save_grid = True  # there are no images
        shared.state.interrupt()

    p.init = init
