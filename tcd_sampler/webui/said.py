"""What a job has to say: below its pictures, and in the API's info."""

from typing import Any

from ..texts import Text
from .names import HINTS
from .translation import translate


def forget_said(p: Any) -> None:
    """For a job that starts: some of the host's run one several times."""
    p.tcd_said = []


def say(p: Any, template: str, **values: Any) -> None:
    """In the page's language."""
    sentence = translate(Text(template, values))
    p.comment(sentence)
    p.tcd_said = [*getattr(p, "tcd_said", []), sentence]


def add_to_info(p: Any, processed: Any) -> None:
    """Into what the API answers when the job is done, and not into the pictures."""
    said = getattr(p, "tcd_said", None)
    if said:
        processed.extra_generation_params = {**processed.extra_generation_params, HINTS: said}
