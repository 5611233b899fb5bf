"""The results of each image, in one file."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ...errors import UserError
from .. import messages
from .methods import REAL

FEATURES, ACCURACY, CONTRAST, BITS = "features", "accuracy", "fine contrast", "JPEG bits"
PRECISION, RECALL = "precision", "recall"

REFERENCE = "reference"
"""The method whose features are those of the real images to compare with."""


def get_key(method: str, unet_calls: int, quantity: str) -> str:
    return f"{method}|{unet_calls}|{quantity}"


@dataclass
class Results:
    """What was measured of each caption, in the captions' order.

    tensors: by get_key, (captions,); features are (captions, features), and those of the reference images
    (repeats * captions, features). Precision and recall belong to the first captions.
    """

    path: Path
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def captions(self) -> int:
        """The number of captions, 0 if nothing is measured yet."""
        return len(self.get(REAL, 0, ACCURACY)) if self.has(REAL, 0, ACCURACY) else 0

    def has(self, method: str, unet_calls: int, quantity: str) -> bool:
        return get_key(method, unet_calls, quantity) in self.tensors

    def get(self, method: str, unet_calls: int, quantity: str) -> torch.Tensor:
        return self.tensors[get_key(method, unet_calls, quantity)].float()

    def add(self, method: str, unet_calls: int, quantities: dict[str, torch.Tensor]) -> None:
        """Adds quantities, in half precision, and saves the file."""
        for quantity, values in quantities.items():
            self.tensors[get_key(method, unet_calls, quantity)] = values.half().contiguous()
        part = self.path.with_suffix(".part")
        save_file(self.tensors, part)
        part.replace(self.path)


def read_results(path: Path) -> Results:
    """Returns the results in a file, or empty ones if there is no file. Raises UserError for any other content."""
    if not path.exists():
        return Results(path)
    try:
        results = Results(path, load_file(path))
        for key in results.tensors:
            _, unet_calls, _ = key.split("|")
            int(unet_calls)
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(messages.CANNOT_READ_RESULTS, file=path, reason=error) from error
    return results
