"""Messages of a job, shown below its images and in the API's info."""

from typing import Any

from ..messages import Message
from .compat.jobs import KEEPS_CALLABLES
from .names import WARNINGS
from .state import get_state, set_messages
from .translation import translate


class Messages(tuple[str, ...]):
    """Messages in a job's extra_generation_params, which the host writes to the API's info and to infotexts.

    Callable, so that infotexts omit them: the host calls callable values there and leaves out those that return None.
    """

    def __call__(self, **_: Any) -> None:
        return None


def clear_messages(p: Any) -> None:
    """Clears a job's messages when it starts, except those of its earlier run or of the job that it copies."""
    earlier = p.extra_generation_params.pop(WARNINGS, None)
    set_messages(p, tuple(earlier) if isinstance(earlier, Messages) else ())


def notify(p: Any, message: Message) -> None:
    """Adds a message to a job, below its images and in the API's info. Repeated messages appear once."""
    sentence = translate(message)
    p.comment(sentence)
    set_messages(p, tuple(dict.fromkeys([*get_state(p).messages, sentence])))


def add_to_info(p: Any, processed: Any) -> None:
    """Adds a finished job's messages to the API's info, but not to infotexts.

    They are also added to the job, because scripts such as SD upscale build their response from the job's fields.
    """
    messages = get_state(p).messages
    if not messages:
        return
    if not KEEPS_CALLABLES:
        p.extra_generation_params[WARNINGS] = Messages(messages)
    processed.extra_generation_params = {**processed.extra_generation_params, WARNINGS: Messages(messages)}
