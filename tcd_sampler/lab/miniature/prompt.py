"""Turns any prompt into a caption of the kind that the miniature was trained with."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .scenes import COLORS, GROUNDS, ON_GROUND, ON_PLACE, PATTERNS, PLACES, SHAPES, SKIES, UNDER_SKY, Look, Scene

GRAMMAR = {"a", "an", "and", "at", "by", "in", "on", "the", "with"}
"""Words that mean nothing alone. They are not listed as ignored."""

PLAIN, *DRAWN = PATTERNS
COLOUR, GROUND, SKY = "red", "grass", "day"
"""What is added to a prompt that names none."""

MOST_THINGS = 2

VOCABULARY = {
    "thing": SHAPES,
    "color": COLORS,
    "pattern": PATTERNS,
    "position": tuple(ON_PLACE.values()),
    "ground": tuple(ON_GROUND.values()),
    "sky": tuple(UNDER_SKY.values()),
}
"""What a prompt may contain. One thing is required."""


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as the miniature understands it. caption is "" if the prompt names none of its things."""

    caption: str
    ignored: list[str]
    """Words of the prompt that the caption lacks."""

    added: list[str]
    """Phrases of the caption that the prompt lacks."""


def read_prompt(prompt: str) -> ReadPrompt:
    """Returns the caption for a prompt, with the words that it leaves out and the phrases that it adds."""
    words = re.findall(r"[^\W\d_]+", prompt.lower())
    things = split_things(words)[:MOST_THINGS]
    if not things:
        return ReadPrompt("", find_ignored(words, ""), [])
    places = choose_places(things)
    colors = [find(COLORS, thing) for thing in things]
    ground, sky = find(GROUNDS, words), find(SKIES, words)
    added = [
        *(COLOUR for color in colors if not color),
        *(ON_PLACE[place] for place, thing in zip(places, things) if place not in thing),
        *([] if ground else [ON_GROUND[GROUND]]),
        *([] if sky else [UNDER_SKY[SKY]]),
    ]
    looks = [
        Look(find(SHAPES, thing), color or COLOUR, find(DRAWN, thing) or PLAIN) for thing, color in zip(things, colors)
    ]
    placed = sorted(zip(places, looks), key=lambda thing: PLACES.index(thing[0]))
    caption = Scene(tuple(placed), ground or GROUND, sky or SKY).caption
    return ReadPrompt(caption, find_ignored(words, caption), list(dict.fromkeys(added)))


def find(known: Iterable[str], words: list[str]) -> str:
    """Returns the first word that is known, or ""."""
    return next((word for word in words if word in known), "")


def split_things(words: list[str]) -> list[list[str]]:
    """Returns the words of each thing: those in front of its shape, and the positions behind it."""
    things: list[list[str]] = []
    front: list[str] = []
    for word in words:
        if word in SHAPES:
            things.append([*front, word])
            front = []
        elif word in PLACES and things and not find(PLACES, things[-1]):
            things[-1].append(word)
        else:
            front.append(word)
    return things


def choose_places(things: list[list[str]]) -> list[str]:
    """Returns a position for each thing. Two things are on the left and on the right, as all pairs in training are."""
    first, *others = [find(PLACES, thing) for thing in things]
    if not others:
        return [first or "middle"]
    is_turned = first == "right" or (first != "left" and others == ["left"])
    return ["right", "left"] if is_turned else ["left", "right"]


def find_ignored(words: list[str], caption: str) -> list[str]:
    kept = {*re.findall(r"\w+", caption), *GRAMMAR, PLAIN}
    return list(dict.fromkeys(word for word in words if word not in kept))
