"""The Fréchet distance of two sets of images, in a space of features, as if each set were normally distributed."""

import torch


def get_frechet_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), for features (images, features) in double precision.

    It is that of FID (arXiv 1706.08500), which takes them from an Inception network. Sets of finite size have one even
    where they come from the same distribution: about the number of features over that of images, times their spread.
    """
    a, b = a.double(), b.double()
    root_a = get_root(torch.cov(a.T))
    cross = torch.linalg.eigvalsh(root_a @ torch.cov(b.T) @ root_a).clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return float(means + a.var(0).sum() + b.var(0).sum() - 2 * cross)


def get_root(covariance: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def get_error(a: torch.Tensor, b: torch.Tensor, halves: int = 8) -> float:
    """The standard error of the distance, from how it varies over random halves of the captions.

    b has several images of each caption of a, all of them once, then again: (repeats * captions, features).
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
    # the difference of two halves varies twice as much as one half does, and a half twice as much as the whole
    return float(torch.tensor(distances).square().mean().sqrt() / 2)
