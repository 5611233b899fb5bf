"""A small classifier of the miniature's images. It checks captions and gives features for the Fréchet distance."""

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from ..miniature import CLASSIFIER
from ..miniature.scenes import COLORS, GROUNDS, PATTERNS, PLACES, SHAPES, SKIES, Scene

WIDTHS = (3, 32, 64, 96, 96)
FEATURES = 64

NOTHING = len(SHAPES)
"""The shape label of an empty place."""

LABELS = {
    **{f"shape {place}": len(SHAPES) + 1 for place in PLACES},
    **{f"color {place}": len(COLORS) for place in PLACES},
    **{f"pattern {place}": len(PATTERNS) for place in PLACES},
    "ground": len(GROUNDS),
    "sky": len(SKIES),
}
"""The labels of an image, with the number of classes of each."""

IGNORED = -100
"""The color and pattern of an empty place. torch's cross entropy ignores it."""


class Classifier(nn.Module):
    """Classifies images (batch, 3, 128, 128) from -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        stages = [
            layer
            for before, after in zip(WIDTHS, WIDTHS[1:])
            for layer in (nn.Conv2d(before, after, 5, stride=2, padding=2), nn.GroupNorm(8, after), nn.SiLU())
        ]
        self.stages = nn.Sequential(*stages)
        self.to_features = nn.Linear(WIDTHS[-1] * 16, FEATURES)
        self.to_logits = nn.Linear(FEATURES, sum(LABELS.values()))

    def get_features(self, images: torch.Tensor) -> torch.Tensor:
        """Returns features (batch, FEATURES), from which all labels are predicted."""
        maps = functional.adaptive_avg_pool2d(self.stages(images), 4)
        features: torch.Tensor = self.to_features(maps.flatten(1))
        return features

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Returns the logits of each label, in the order of LABELS: a list of (batch, classes)."""
        logits: torch.Tensor = self.to_logits(functional.silu(self.get_features(images)))
        return list(logits.split(list(LABELS.values()), 1))


def load_classifier() -> Classifier:
    """Returns the bundled classifier, for inference."""
    classifier = Classifier().requires_grad_(False)
    classifier.load_state_dict(load_file(CLASSIFIER))
    return classifier.eval()


def get_labels(scene: Scene) -> list[int]:
    """Returns the class of each label, in the order of LABELS."""
    looks = dict(scene.things)
    shapes = [SHAPES.index(looks[place].shape) if place in looks else NOTHING for place in PLACES]
    colors = [COLORS.index(looks[place].color) if place in looks else IGNORED for place in PLACES]
    patterns = [PATTERNS.index(looks[place].pattern) if place in looks else IGNORED for place in PLACES]
    return [*shapes, *colors, *patterns, GROUNDS.index(scene.ground), SKIES.index(scene.sky)]


def get_accuracy(classifier: Classifier, images: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
    """Returns the share of each caption that the classifier finds in its image: (batch,)."""
    expected = torch.tensor([get_labels(scene) for scene in scenes])
    seen = torch.stack([scores.argmax(1) for scores in classifier(images)], 1)
    # captions do not mention empty places
    things = torch.arange(len(LABELS)) < len(PLACES)
    relevant = (expected != IGNORED) & ~(things & (expected == NOTHING))
    return ((seen == expected) & relevant).sum(1) / relevant.sum(1)
