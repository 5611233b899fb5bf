"""What a job has to say: below its pictures, and in the API's info."""

from typing import Any

from ..messages import Message
from .compat.host import KEEPS_CALLABLES
from .names import HINTS
from .translation import translate


class Messages(tuple[str, ...]):
    """Sentences among a job's extra_generation_params, which both the API's info and infotexts are made of.

    Infotexts are to be without them: a host calls what can be called there, and leaves out what that returns None for.
    """

    def __call__(self, **_: Any) -> None:
        return None


def forget_said(p: Any) -> None:
    """For a job that starts. What was said of the same one before, or of one that it is a copy of, stays."""
    earlier = p.extra_generation_params.pop(HINTS, None)
    p.tcd_said = list(earlier) if isinstance(earlier, Messages) else []


def say(p: Any, template: str, **values: Any) -> None:
    """In the page's language, and once."""
    sentence = translate(Message(template, values))
    p.comment(sentence)
    p.tcd_said = list(dict.fromkeys([*(getattr(p, "tcd_said", None) or []), sentence]))


def add_to_info(p: Any, processed: Any) -> None:
    """Into what the API answers when the job is done, and not into the pictures.

    A script that makes its own answer out of several jobs, such as SD upscale, takes it from the job.
    """
    said = getattr(p, "tcd_said", None)
    if not said:
        return
    if not KEEPS_CALLABLES:
        p.extra_generation_params[HINTS] = Messages(said)
    processed.extra_generation_params = {**processed.extra_generation_params, HINTS: Messages(said)}
