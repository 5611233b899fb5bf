"""Checks the documentation: links resolve, named files exist, sentences are short, no paragraph is repeated."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tcd_sampler import __version__

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*ROOT.glob("README*.md"), *DOCS]
PROSE = [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS]

MOST_WORDS = 30
SHORTEST_PARAGRAPH = 8
"""In words. A shorter paragraph, such as "Run the tests:", may appear twice."""

FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
HTML_LINK = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"")
ITEM = re.compile(r"^ *(?:[-*+]|\d+\.) +")
APART = re.compile(r"^ *(?:#|\||>|<|---)")
"""A heading, a table row, a quote or HTML, which never belongs to the paragraph above it."""

SENTENCE_END = re.compile(r"(?<=[.!?])[\"'*_)]*\s+(?=[\"'*_(\[]*[A-Z0-9`])")
OUR_FILE = re.compile(r"`((?:tcd_sampler|tests|docs|scripts|localizations)/[\w./-]*)`")


def read(path):
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


def find_targets(text):
    """Returns the targets of links and images, including links around images. Links in code are ignored."""
    text = INLINE_CODE.sub("", FENCE.sub("", text))
    targets = HTML_LINK.findall(text)
    while LINK.search(text):
        targets += [target for _, target in LINK.findall(text)]
        text = LINK.sub(lambda link: link[1] if "](" in link[1] else "", text)
    return targets


def find_anchors(text):
    """Returns the anchors that GitHub gives a page's headings."""
    seen, anchors = Counter(), set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", LINK.sub(r"\1", heading).lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def find_broken(page):
    """Returns a page's relative links whose file or anchor does not exist."""
    broken = []
    for target in find_targets(read(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in find_anchors(read(file))):
            broken.append(target)
    return broken


def find_paragraphs(text):
    """Returns paragraphs and list items, each on one line, without headings, code, tables and quotes."""
    paragraphs = [[]]
    for line in FENCE.sub("\n", text).splitlines():
        if not line.strip() or APART.match(line):
            paragraphs.append([])
        elif ITEM.match(line):
            paragraphs.append([ITEM.sub("", line)])
        else:
            paragraphs[-1].append(line.strip())
    return [" ".join(lines) for lines in paragraphs if lines]


def find_sentences(paragraph):
    """Returns the sentences. A link counts as its text, and inline code as one word."""
    text = INLINE_CODE.sub("Code", paragraph)
    while LINK.search(text):
        text = LINK.sub(r"\1", text)
    return SENTENCE_END.split(text)


def count_words(sentence):
    return len([word for word in sentence.split() if re.search(r"\w", word)])


def find_long(text):
    sentences = [sentence for paragraph in find_paragraphs(text) for sentence in find_sentences(paragraph)]
    return [sentence for sentence in sentences if count_words(sentence) > MOST_WORDS]


def find_repeated(texts):
    """Returns paragraphs that appear more than once. Only their words are compared."""
    paragraphs = [
        " ".join(re.findall(r"\w+", paragraph.lower())) for text in texts for paragraph in find_paragraphs(text)
    ]
    counts = Counter(paragraph for paragraph in paragraphs if count_words(paragraph) >= SHORTEST_PARAGRAPH)
    return [paragraph for paragraph, count in counts.items() if count > 1]


def find_numbers_that_start_lists(text):
    """Returns lines inside a paragraph that Markdown takes for a numbered list, because they start with "1. "."""
    lines = FENCE.sub("", text).splitlines()
    return [
        line
        for above, line in zip(lines, lines[1:])
        if re.match(r"\d+[.)] ", line) and above.strip() and not (ITEM.match(above) or above.startswith(" "))
    ]


def get_name(page):
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=get_name)
def test_links(page):
    assert find_broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=get_name)
def test_files_named_in_code_spans_exist(page):
    assert [name for name in OUR_FILE.findall(read(page)) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PROSE, ids=get_name)
def test_sentences_are_short(page):
    assert find_long(read(page)) == []


@pytest.mark.parametrize("page", [*PROSE, ROOT / "README.zh-CN.md"], ids=get_name)
def test_no_list_starts_by_accident(page):
    assert find_numbers_that_start_lists(read(page)) == []


def test_no_paragraph_is_repeated():
    assert find_repeated(map(read, PROSE)) == []


def test_the_changelog_starts_with_this_version():
    [first, *_] = re.findall(r"^## (.+)$", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert first == "Unreleased" or re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", first)


# Tests of the checks


def test_targets_and_anchors():
    page = "# A `b.c`, d\n## A\n## A\n[x](a.md) ![y [z]](b.png) [![i](c.svg)](LICENSE) `[n](o)`\n```\n[n](o)\n```\n"
    assert sorted(find_targets(page + '<img src="d.png">')) == ["LICENSE", "a.md", "b.png", "c.svg", "d.png"]
    assert find_anchors(page) == {"a-bc-d", "a", "a-1"}


def test_broken_links(tmp_path):
    (tmp_path / "b.md").write_text("# Here\n", encoding="utf-8")
    page = tmp_path / "a.md"
    page.write_text(
        "# Top\n[1](b.md#here) [2](b.md#there) [3](c.md) [4](#top) [5](#bottom) [6](https://x.org/#y)\n",
        encoding="utf-8",
    )
    assert find_broken(page) == ["b.md#there", "c.md", "#bottom"]


def test_long_sentences():
    short, long = "Aa " * 29 + "bb.", "Aa " * 30 + "bb."
    assert find_long(f"{short} {short} `{long}`\n\n| {long} |\n> {long}\n# {long}\n```\n{long}\n```\n") == []
    assert find_long(f"- {long}\n- {short}\n") == [long]
    assert find_long(f"{long[:44]}\n{long[45:]} [{long}](x)\n") == [long, long]


def test_lists_by_accident():
    listed = "First:\n\n1. Open it.\n2. Close\n   it.\n3. Repeat.\n"
    assert find_numbers_that_start_lists(listed) == []
    assert find_numbers_that_start_lists(f"{listed}\nFrom 0 to\n1. Then\nstop.\n") == ["1. Then"]


def test_repeated_paragraphs():
    text = "One two three four five six seven eight."
    assert find_repeated([f"{text}\n\nRun it:\n\nRun it:\n", text.replace("five", "5")]) == []
    assert len(find_repeated([text, f"- {text.replace(' five', chr(10) + '  five')}\n"])) == 1


def test_the_notebook_shows_images_only():
    """Warnings in the outputs would contain paths of the machine that ran the notebook."""
    cells = json.loads(read(ROOT / "docs" / "demo.ipynb"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data"}
