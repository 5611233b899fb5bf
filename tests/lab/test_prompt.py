"""Any prompt becomes a caption that the miniature knows, and the changes are listed."""

import pytest

from tcd_sampler.lab.miniature.prompt import VOCABULARY, ReadPrompt, read_prompt
from tcd_sampler.lab.miniature.scenes import choose_scene
from tcd_sampler.lab.miniature.vocabulary import get_words


def test_captions_are_not_changed():
    for seed in range(500):
        caption = choose_scene(seed).caption
        assert read_prompt(caption) == ReadPrompt(caption, [], [])


@pytest.mark.parametrize(
    ("prompt", "caption", "ignored", "added"),
    [
        ("a star", "a red star in the middle, on grass, by day", [], ["red", "in the middle", "on grass", "by day"]),
        ("Blue HOUSE, fog!", "a blue house in the middle, on grass, in fog", [], ["in the middle", "on grass"]),
        ("", "", [], []),
        ("an astronaut riding a horse", "", ["astronaut", "riding", "horse"], []),
        (
            "a huge orange ball and a green tree at night on the stones",
            "an orange ball on the left and a green tree on the right, on stones, at night",
            ["huge"],
            ["on the left", "on the right"],
        ),
        (
            "on the right a pink box, on the left a white heart, on sand, by day",
            "a white heart on the left and a pink box on the right, on sand, by day",
            [],
            [],
        ),
        (
            "a red ball and a blue star on the left, on snow, at sunset",
            "a blue star on the left and a red ball on the right, on snow, at sunset",
            [],
            ["on the right"],
        ),
        (
            "a red ball in the middle, a blue star and a pink tree, on snow, at sunset",
            "a red ball on the left and a blue star on the right, on snow, at sunset",
            ["middle", "pink", "tree"],
            ["on the left", "on the right"],
        ),
        (
            "a plain red blue dotted ball in the middle, on water, in fog, at night",
            "a red dotted ball in the middle, on water, in fog",
            ["blue", "night"],
            [],
        ),
    ],
)
def test_other_prompts_are_completed(prompt, caption, ignored, added):
    assert read_prompt(prompt) == ReadPrompt(caption, ignored, added)


def test_the_vocabulary_matches_the_tokenizer():
    words = {word for phrases in VOCABULARY.values() for phrase in phrases for word in phrase.split()}
    assert words | {"a", "an", "and"} == set(get_words())
