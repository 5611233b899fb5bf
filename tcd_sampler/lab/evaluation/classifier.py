"""A small network that says what an image shows: whether its caption is right, and features to compare images in."""

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from ..miniature import CLASSIFIER
from ..miniature.scenes import COLOURS, GROUNDS, PATTERNS, PLACES, SHAPES, SKIES, Scene

WIDTHS = (3, 32, 64, 96, 96)
FEATURES = 64

NOTHING = len(SHAPES)
"""The shape at a place where no thing is."""

QUESTIONS = {
    **{f"shape {place}": len(SHAPES) + 1 for place in PLACES},
    **{f"colour {place}": len(COLOURS) for place in PLACES},
    **{f"pattern {place}": len(PATTERNS) for place in PLACES},
    "ground": len(GROUNDS),
    "sky": len(SKIES),
}
"""What is asked of an image, with the number of answers."""

UNASKED = -100
"""Answers the questions for colour and pattern where there is nothing; torch's cross entropy passes over it."""


class Classifier(nn.Module):
    """Images (batch, 3, 128, 128) from -1 to 1, to features; and those to answers."""

    def __init__(self) -> None:
        super().__init__()
        stages = [
            layer
            for before, after in zip(WIDTHS, WIDTHS[1:])
            for layer in (nn.Conv2d(before, after, 5, stride=2, padding=2), nn.GroupNorm(8, after), nn.SiLU())
        ]
        self.stages = nn.Sequential(*stages)
        self.to_features = nn.Linear(WIDTHS[-1] * 16, FEATURES)
        self.to_answers = nn.Linear(FEATURES, sum(QUESTIONS.values()))

    def get_features(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, FEATURES): what all answers are read from."""
        maps = functional.adaptive_avg_pool2d(self.stages(images), 4)
        features: torch.Tensor = self.to_features(maps.flatten(1))
        return features

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The scores of the answers to each question."""
        answers: torch.Tensor = self.to_answers(functional.silu(self.get_features(images)))
        return list(answers.split(list(QUESTIONS.values()), 1))


def load_classifier() -> Classifier:
    classifier = Classifier().requires_grad_(False)
    classifier.load_state_dict(load_file(CLASSIFIER))
    return classifier.eval()


def get_answers(scene: Scene) -> list[int]:
    """The right answers to QUESTIONS."""
    looks = dict(scene.things)
    shapes = [SHAPES.index(looks[place].shape) if place in looks else NOTHING for place in PLACES]
    colours = [COLOURS.index(looks[place].colour) if place in looks else UNASKED for place in PLACES]
    patterns = [PATTERNS.index(looks[place].pattern) if place in looks else UNASKED for place in PLACES]
    return [*shapes, *colours, *patterns, GROUNDS.index(scene.ground), SKIES.index(scene.sky)]


def get_accuracy(classifier: Classifier, images: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
    """For each image, the share of what its caption asks for that the classifier sees in it: (batch,)."""
    expected = torch.tensor([get_answers(scene) for scene in scenes])
    seen = torch.stack([scores.argmax(1) for scores in classifier(images)], 1)
    # a place without a thing is nothing that a caption asks for
    things = torch.arange(len(QUESTIONS)) < len(PLACES)
    asked = (expected != UNASKED) & ~(things & (expected == NOTHING))
    return ((seen == expected) & asked).sum(1) / asked.sum(1)
