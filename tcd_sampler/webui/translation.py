"""Translates messages with the localization files that the page uses."""

import json
from pathlib import Path

from ..messages import Message
from .compat.options import get_option

LOCALIZATIONS = Path(__file__).parents[2] / "localizations"


def translate(message: Message) -> str:
    """Returns a message in the host's language, or in English if there is no translation."""
    file = LOCALIZATIONS / f"{get_option('localization', 'None')}.json"
    if not file.is_file():
        return str(message)
    return fill(message, json.loads(file.read_text(encoding="utf-8")))


def fill(message: Message, templates: dict[str, str]) -> str:
    values = {key: fill(v, templates) if isinstance(v, Message) else v for key, v in message.values.items()}
    return templates.get(message.template, message.template).format(**values)
