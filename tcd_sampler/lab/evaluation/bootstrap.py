"""Estimates with errors from the bootstrap over captions.

All methods share captions and noise. Their estimates therefore use the same resamples, and the error of a difference
is usually smaller than that of independent samples.
"""

from dataclasses import dataclass

import torch

RESAMPLES = 1000
CONFIDENCE = 0.95


def draw_weights(count: int) -> torch.Tensor:
    """Returns how often each of the captions is in each resample, (1 + RESAMPLES, captions).

    The first row is no resample: it has every caption once.
    """
    drawn = torch.randint(count, (RESAMPLES, count), generator=torch.Generator().manual_seed(0))
    counts = torch.zeros(RESAMPLES, count).scatter_add_(1, drawn, torch.ones(RESAMPLES, count))
    return torch.cat([torch.ones(1, count), counts])


@dataclass(frozen=True)
class Estimate:
    """The value for all captions, followed by those of the resamples: (1 + RESAMPLES,)."""

    values: torch.Tensor

    @property
    def value(self) -> float:
        return float(self.values[0])

    @property
    def error(self) -> float:
        """The standard error."""
        return float(self.values[1:].std())

    @property
    def interval(self) -> tuple[float, float]:
        """The basic bootstrap interval, in which the bias of resamples cancels out."""
        tail = (1 - CONFIDENCE) / 2
        low, high = self.values[1:].quantile(self.values.new_tensor([tail, 1 - tail])).tolist()
        return 2 * self.value - high, 2 * self.value - low

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.values - other.values)


def estimate_mean(values: torch.Tensor) -> Estimate:
    """Estimates the mean of a value per caption, (captions,)."""
    weights = draw_weights(len(values)).double()
    return Estimate(weights @ values.double() / weights.sum(1))
