"""The miniature's tokenizer: CLIP's kind, with a vocabulary in which each word of the captions is one token."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from .scenes import COLOURS, ON_GROUND, ON_PLACE, PATTERNS, SHAPES, UNDER_SKY

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def get_words() -> list[str]:
    phrases = [*SHAPES, *COLOURS, *PATTERNS, *ON_PLACE.values(), *ON_GROUND.values(), *UNDER_SKY.values(), "a an and"]
    return sorted({word for phrase in phrases for word in phrase.split()})


def write_vocabulary(folder: Path) -> None:
    """vocab.json and merges.txt, as CLIPTokenizer reads them. What is no word of the captions is spelled out."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=10_000, min_frequency=1, show_progress=False, end_of_word_suffix=WORD_END)
    tokenizer.train_from_iterator(get_words(), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]
    tokens = [
        *alphabet,
        *(byte + WORD_END for byte in alphabet),
        *(pair.replace(" ", "") for pair in pairs),
        START,
        END,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs, ""]), encoding="utf-8")
