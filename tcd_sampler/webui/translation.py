"""What Python says in the page's language, by the same files that the page itself is translated with."""

import json
from pathlib import Path

from ..hints import Hint
from .host import get_option

LOCALIZATIONS = Path(__file__).parents[2] / "localizations"


def translate(hint: Hint) -> str:
    """A hint in the language that the host is set to; in English where we have none for it."""
    file = LOCALIZATIONS / f"{get_option('localization', 'None')}.json"
    if not file.is_file():
        return str(hint)
    texts = json.loads(file.read_text(encoding="utf-8"))
    return str(Hint(texts.get(hint.template, hint.template), hint.values))
