"""The Fréchet distance between the features of two sets of images."""

from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True)
class Moments:
    """The mean (..., features) and covariance (..., features, features) of sets of images."""

    mean: torch.Tensor
    covariance: torch.Tensor

    @cached_property
    def root(self) -> torch.Tensor:
        """The square root of the covariance."""
        values, vectors = torch.linalg.eigh(self.covariance)
        return vectors * values.clamp(min=0).sqrt()[..., None, :] @ vectors.mT


def get_moments(features: torch.Tensor, weights: torch.Tensor) -> Moments:
    """Returns the moments of an image set for each row of weights.

    features: (images, features). weights: how often each image is in the set, (..., images).
    """
    features, weights = features.double(), weights.double()
    total = weights.sum(-1)[..., None]
    mean = weights @ features / total
    products = (features[:, :, None] * features[:, None, :]).flatten(1)
    sums = (weights @ products).unflatten(-1, (features.shape[1], -1))
    centered = sums - total[..., None] * mean[..., :, None] * mean[..., None, :]
    return Moments(mean, centered / (total[..., None] - 1))


def get_frechet_distance(a: Moments, b: Moments) -> torch.Tensor:
    """Returns |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the distance of FID (arXiv 1706.08500): (...).

    Two finite samples of one distribution have a positive distance too.
    """
    cross = torch.linalg.eigvalsh(a.root @ b.covariance @ a.root).clamp(min=0).sqrt().sum(-1)
    means = (a.mean - b.mean).square().sum(-1)
    traces = (a.covariance + b.covariance).diagonal(dim1=-2, dim2=-1).sum(-1)
    return means + traces - 2 * cross
