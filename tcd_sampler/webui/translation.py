"""Translates messages with the localization files that the page uses."""

import json
from pathlib import Path

from ..messages import Message
from .compat.options import get_option

LOCALIZATIONS = Path(__file__).parents[2] / "localizations"


def translate(text: Message) -> str:
    """Returns a message in the host's language, or in English if there is no translation."""
    file = LOCALIZATIONS / f"{get_option('localization', 'None')}.json"
    if not file.is_file():
        return str(text)
    texts = json.loads(file.read_text(encoding="utf-8"))
    return str(Message(texts.get(text.template, text.template), text.values))
