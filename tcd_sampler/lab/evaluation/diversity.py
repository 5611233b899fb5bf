"""Precision and recall of generated images (arXiv 1904.06991), among images of one caption."""

import torch

NEIGHBORS = 3


def get_radii(features: torch.Tensor) -> torch.Tensor:
    """Returns the distance of each image to its third nearest neighbor, (images,). features: (images, features)."""
    return torch.cdist(features, features).kthvalue(NEIGHBORS + 1).values  # its nearest neighbor is itself


def get_share_covered(features: torch.Tensor, others: torch.Tensor) -> float:
    """Returns the share of images that are closer to one of the others than that one's third nearest neighbor."""
    return float((torch.cdist(features, others) <= get_radii(others)).any(1).double().mean())


def get_precision_and_recall(generated: torch.Tensor, real: torch.Tensor) -> tuple[float, float]:
    """Returns the share of generated images among the real ones, and that of real images among the generated ones.

    Low recall means that generated images repeat a part of what real ones show: mode collapse.
    """
    return get_share_covered(generated, real), get_share_covered(real, generated)
