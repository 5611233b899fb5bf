"""What a job tells its user: below its images, and in the API's info."""

from typing import Any

from ..messages import Message
from .compat.jobs import KEEPS_CALLABLES
from .names import WARNINGS
from .state import get_state, set_messages
from .translation import translate


class Messages(tuple[str, ...]):
    """Sentences among a job's extra_generation_params, which both the API's info and infotexts are made of.

    Infotexts are to be without them: a host calls what can be called there, and leaves out what that returns None for.
    """

    def __call__(self, **_: Any) -> None:
        return None


def clear_messages(p: Any) -> None:
    """For a job that starts. What the same one said before, or one that it is a copy of, stays."""
    earlier = p.extra_generation_params.pop(WARNINGS, None)
    set_messages(p, tuple(earlier) if isinstance(earlier, Messages) else ())


def notify(p: Any, message: Message) -> None:
    """Shows a message below a job's images, once."""
    sentence = translate(message)
    p.comment(sentence)
    set_messages(p, tuple(dict.fromkeys([*get_state(p).messages, sentence])))


def add_to_info(p: Any, processed: Any) -> None:
    """Puts the messages into what the API answers when the job is done, and not into the images.

    A script that makes its own answer out of several jobs, such as SD upscale, takes it from the job.
    """
    messages = get_state(p).messages
    if not messages:
        return
    if not KEEPS_CALLABLES:
        p.extra_generation_params[WARNINGS] = Messages(messages)
    processed.extra_generation_params = {**processed.extra_generation_params, WARNINGS: Messages(messages)}
