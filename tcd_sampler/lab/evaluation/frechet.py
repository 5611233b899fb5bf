"""The Fréchet distance between the features of two sets of images."""

import torch


def get_frechet_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Returns |mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the distance of FID (arXiv 1706.08500).

    a, b: features (images, features). Two finite samples of one distribution have a positive distance too.
    """
    a, b = a.double(), b.double()
    root_a = get_root(torch.cov(a.T))
    cross = torch.linalg.eigvalsh(root_a @ torch.cov(b.T) @ root_a).clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return float(means + a.var(0).sum() + b.var(0).sum() - 2 * cross)


def get_root(covariance: torch.Tensor) -> torch.Tensor:
    """Returns the square root of a symmetric positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def get_error(a: torch.Tensor, b: torch.Tensor, halves: int = 8) -> float:
    """Returns the standard error of the distance, from its variation over random halves of the captions.

    a: (captions, features). b: (repeats * captions, features), with all captions in each repeat.
    """
    generator = torch.Generator().manual_seed(0)
    repeats = b.reshape(-1, *a.shape)
    distances = []
    for _ in range(halves):
        first, second = (
            get_frechet_distance(a[half], repeats[:, half].flatten(0, 1))
            for half in torch.randperm(len(a), generator=generator).chunk(2)
        )
        distances.append(first - second)
    # the variance of the difference is twice that of a half, and that of a half is twice that of the whole
    return float(torch.tensor(distances).square().mean().sqrt() / 2)
