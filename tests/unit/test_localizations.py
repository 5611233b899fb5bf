"""Every translation is of something that is said, and says all of it."""

import json
import re
from pathlib import Path
from string import Formatter

import pytest

from tcd_sampler import messages
from tcd_sampler.presets import BUILT_IN

ROOT = Path(__file__).parents[2]
TEMPLATES = {value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str)}
SOURCES = "".join(re.sub(r'"\n\s*"', "", path.read_text()) for path in (ROOT / "tcd_sampler" / "webui").rglob("*.py"))

FILES = sorted((ROOT / "localizations").glob("*.json"))


def read(path):
    pairs = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    assert len(pairs) == len(dict(pairs)), "a text is there twice"
    return dict(pairs)


def places(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_there_are_some():
    assert [path.name for path in FILES] == ["zh_CN.json"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_that_is_said_is_translated(path):
    translations = read(path)
    assert translations.keys() >= TEMPLATES
    assert {preset.name for preset in BUILT_IN} <= translations.keys()
    labels = re.findall(r'(?:label=|info=|make_button\(|\.info\()"([^"]+)"', SOURCES)
    assert len(labels) >= 10
    assert set(labels) <= translations.keys()
    for template in TEMPLATES:
        assert places(translations[template]) == places(template)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_else_is(path):
    said = TEMPLATES | {preset.name for preset in BUILT_IN}
    assert [text for text in read(path) if text not in said and f'"{text}"' not in SOURCES] == []
