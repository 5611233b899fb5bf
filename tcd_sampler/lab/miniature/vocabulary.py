"""The miniature's tokenizer: CLIP's, with a vocabulary in which each word of the captions is one token."""

import json
from collections import Counter
from pathlib import Path

from tokenizers.pre_tokenizers import ByteLevel

from .scenes import COLORS, ON_GROUND, ON_PLACE, PATTERNS, SHAPES, UNDER_SKY

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def get_words() -> list[str]:
    """Returns all words of captions, in alphabetical order."""
    phrases = [*SHAPES, *COLORS, *PATTERNS, *ON_PLACE.values(), *ON_GROUND.values(), *UNDER_SKY.values(), "a an and"]
    return sorted({word for phrase in phrases for word in phrase.split()})


def get_merges(words: list[str]) -> list[tuple[str, str]]:
    """Returns the merges of byte pair encoding (arXiv 1508.07909) that build the words, the most frequent first."""
    split = [[*word[:-1], word[-1] + WORD_END] for word in words]
    merges = []
    while any(len(parts) > 1 for parts in split):
        pairs = Counter(pair for parts in split for pair in zip(parts, parts[1:]))
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(pair)
        split = [merge(parts, pair) for parts in split]
    return merges


def merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def write_vocabulary(folder: Path) -> None:
    """Writes vocab.json and merges.txt, as CLIPTokenizer reads them. Other words become one token per byte."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = (" ".join(pair) for pair in get_merges(get_words()))
    write_merges(folder, "\n".join(["#version: 0.2", *pairs, ""]))


def write_merges(folder: Path, merges: str) -> None:
    """Writes merges.txt, and vocab.json with the tokens that follow from it: bytes, merges, start and end."""
    alphabet = sorted(ByteLevel.alphabet())
    ends = [byte + WORD_END for byte in alphabet]
    pairs = [line.replace(" ", "") for line in merges.splitlines()[1:]]
    tokens = dict.fromkeys([*alphabet, *ends, *pairs, START, END])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text(merges, encoding="utf-8", newline="\n")
