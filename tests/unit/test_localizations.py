"""Every message can be formatted in every language with all its values, and no translation is unused."""

import json
import re
from pathlib import Path

import pytest

from tcd_sampler.messages import Message
from tcd_sampler.presets import BUILT_IN

from ..support.messages import TEMPLATES, list_places

ROOT = Path(__file__).parents[2]
SOURCES = "".join(
    re.sub(r'"\n\s*"', "", path.read_text(encoding="utf-8")) for path in (ROOT / "tcd_sampler" / "webui").rglob("*.py")
)
FILES = {path.stem: path for path in sorted((ROOT / "localizations").glob("*.json"))}


def read(path):
    pairs = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    assert len(pairs) == len(dict(pairs)), "a text is there twice"
    return dict(pairs)


TRANSLATIONS = {"English": {text: text for text in TEMPLATES.values()}, **{stem: read(FILES[stem]) for stem in FILES}}
LABELS = [
    *re.findall(r'(?:label=|info=|make_button\()"([^"]+)"', SOURCES),
    *(f"({text})" for text in re.findall(r'\.info\("([^"]+)"', SOURCES)),  # the page translates it with its brackets
]
PRESETS = {preset.name for preset in BUILT_IN}


def test_translations_messages_and_labels_are_found():
    assert "zh_CN" in FILES
    assert len(TEMPLATES) == len(set(TEMPLATES.values())) > 50
    assert len(LABELS) >= 10


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_message_can_be_formatted(language, name):
    template = TEMPLATES[name]
    translation = TRANSLATIONS[language][template]
    values = {place: f"<{place}>" for place in list_places(template)}
    sentence = str(Message(translation, values))
    assert list_places(translation) == values.keys()
    assert all(value in sentence for value in values.values())
    assert re.sub("<[a-z_]+>", "", sentence).isprintable()
    assert not re.search("[{}]", sentence)


@pytest.mark.parametrize("language", FILES)
def test_the_labels_and_presets_are_translated(language):
    assert {*LABELS, *PRESETS} - TRANSLATIONS[language].keys() == set()


@pytest.mark.parametrize("language", FILES)
def test_nothing_is_translated_that_is_not_said(language):
    known = {*TEMPLATES.values(), *PRESETS, *LABELS}
    assert [text for text in TRANSLATIONS[language] if text not in known and f'"{text}"' not in SOURCES] == []
