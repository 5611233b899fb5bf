"""Translates messages with the localization files that the page uses."""

import json
from functools import cache
from pathlib import Path

from ..messages import Message
from .compat.options import get_option

LOCALIZATIONS = Path(__file__).parents[2] / "localizations"


def translate(message: Message) -> str:
    """Returns a message in the host's language, or in English if there is no translation."""
    return fill(message, read_translations(get_option("localization", "None")))


@cache
def read_translations(language: str) -> dict[str, str]:
    """Returns the translations by English template, or an empty dictionary if there are none for this language."""
    file = LOCALIZATIONS / f"{language}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def fill(message: Message, templates: dict[str, str]) -> str:
    """Returns a message, the messages among its values, and its field's label, in the language of the templates."""
    values = {key: fill(v, templates) if isinstance(v, Message) else v for key, v in message.values.items()}
    if "field" in values:
        values["field"] = templates.get(values["field"], values["field"])
    return templates.get(message.template, message.template).format(**values)
