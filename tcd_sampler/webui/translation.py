"""What Python says in the page's language, by the same files that the page itself is translated with."""

import json
from pathlib import Path

from ..messages import Message
from .compat.options import get_option

LOCALIZATIONS = Path(__file__).parents[2] / "localizations"


def translate(text: Message) -> str:
    """A text in the language that the host is set to; in English where we have none for it."""
    file = LOCALIZATIONS / f"{get_option('localization', 'None')}.json"
    if not file.is_file():
        return str(text)
    texts = json.loads(file.read_text(encoding="utf-8"))
    return str(Message(texts.get(text.template, text.template), text.values))
