"""The scenes that the miniature generates, with one or two objects, and their captions."""

import random
from dataclasses import dataclass
from typing import NamedTuple

SHAPES = ("ball", "box", "pyramid", "star", "heart", "mushroom", "house", "tree")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
PATTERNS = ("plain", "striped", "dotted", "checkered")
PLACES = ("left", "middle", "right")
GROUNDS = ("grass", "sand", "snow", "water", "stones")
SKIES = ("day", "sunset", "night", "fog")

ON_PLACE = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
ON_GROUND = {"grass": "on grass", "sand": "on sand", "snow": "on snow", "water": "on water", "stones": "on stones"}
UNDER_SKY = {"day": "by day", "sunset": "at sunset", "night": "at night", "fog": "in fog"}

PAIRS = 0.5
"""The share of scenes with two objects, on the left and on the right."""


class Look(NamedTuple):
    """The shape, color and pattern of an object."""

    shape: str
    color: str
    pattern: str

    @property
    def is_held_out(self) -> bool:
        """Whether no training scene contains it. This holds for one eighth of all looks."""
        # one color for each pair of shape and pattern
        return (SHAPES.index(self.shape) + COLORS.index(self.color) + 2 * PATTERNS.index(self.pattern)) % 8 == 0


@dataclass(frozen=True)
class Scene:
    """The contents of an image that its caption describes. The seed decides the rest."""

    things: tuple[tuple[str, Look], ...]
    """Pairs of place and look, from left to right."""

    ground: str
    sky: str

    @property
    def caption(self) -> str:
        things = " and ".join(f"{phrase(look)} {ON_PLACE[place]}" for place, look in self.things)
        return f"{things}, {ON_GROUND[self.ground]}, {UNDER_SKY[self.sky]}"


def phrase(look: Look) -> str:
    words = [look.color, *([] if look.pattern == "plain" else [look.pattern]), look.shape]
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([article, *words])


def choose_scene(seed: int, held_out: bool = False) -> Scene:
    """Returns the scene of a seed: a training scene, or one whose looks are all held out from training."""
    generator = random.Random(f"scene {seed}")
    choose = generator.choice
    places = ("left", "right") if generator.random() < PAIRS else (choose(PLACES),)

    def choose_look() -> Look:
        while True:
            look = Look(choose(SHAPES), choose(COLORS), choose(PATTERNS))
            if look.is_held_out == held_out:
                return look

    things = tuple((place, choose_look()) for place in places)
    return Scene(things, choose(GROUNDS), choose(SKIES))
