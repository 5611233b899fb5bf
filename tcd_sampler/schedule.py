"""TCD's noise schedule: which timesteps a run visits, and the noise levels that belong to them."""

from typing import Any

import torch

from . import messages
from .errors import UserError

TIMESTEPS = 1000
"""Timesteps of the diffusion process, 0 to 999: the length of a model's noise table."""

TRAINED_STEPS = 50
"""Points of the DDIM solver that TCD was distilled from: timesteps 19, 39, ... 999."""

ZERO_SNR_SIGMA = 4518.0
"""Stands in for an infinite noise level, as the WebUIs' own zero-terminal-SNR tables have it (alpha-bar 4.9e-8)."""


def tcd_timesteps(n: int) -> torch.Tensor:
    """The n timesteps of a run, descending from 999.

    Up to 50 they are diffusers' choice among the trained ones; beyond, where diffusers refuses, the same spacing
    goes on over all timesteps up to 1000 (int64), and over fractions of them from there (float64).
    """
    if n < 0:
        raise UserError(messages.BAD_STEPS, value=n)
    i = torch.arange(n)
    if n <= TRAINED_STEPS:
        return TIMESTEPS - 1 - TIMESTEPS // TRAINED_STEPS * (i * TRAINED_STEPS // n)
    if n <= TIMESTEPS:
        return TIMESTEPS - 1 - i * TIMESTEPS // n
    return (TIMESTEPS - 1) * (1 - i.double() / n)


def get_sigmas_tcd(n: int, sigmas: torch.Tensor, device: torch.device | str = "cpu") -> torch.Tensor:
    """The noise levels of a run of n steps: n + 1 values, strictly decreasing, the last 0.

    sigmas is the model's noise table (see check_table). UserError if it is not one, or if n is negative.
    """
    table, t = check_table(sigmas), tcd_timesteps(n).double()
    low, high = table[t.floor().long()], table[t.ceil().long()]
    steps = low * (high / low) ** t.frac().to(table)  # the table's own value at whole timesteps
    return torch.cat([steps, steps.new_zeros(1)]).to(device)


def find_table(model: Any) -> torch.Tensor:
    """The noise table of a k_diffusion.external denoiser, or of the one inside a guidance wrapper; see check_table."""
    while not hasattr(model, "sigmas"):
        if not hasattr(model, "inner_model"):
            raise UserError(messages.NO_NOISE_TABLE)
        model = model.inner_model
    return check_table(model.sigmas)


def check_table(sigmas: torch.Tensor) -> torch.Tensor:
    """A model's noise table on the CPU: 1000 noise levels, ascending, index = timestep.

    UserError where the numbers are of a family that TCD has no meaning for: rectified-flow models (SD3, Flux)
    have levels up to 1, others have another number of them.
    """
    table = sigmas.detach().cpu()
    table = table.to(torch.promote_types(table.dtype, torch.float32)).nan_to_num(posinf=ZERO_SNR_SIGMA)
    if table.shape == (TIMESTEPS,) and table[0] > 0 and bool((table[1:] > table[:-1]).all()) and table[-1] > 1:
        return table
    raise UserError(messages.NOT_A_DIFFUSION_MODEL)


def nearest_timesteps(sigmas: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """The timestep whose noise level is nearest, on a log scale, to each of the given ones (int64)."""
    log_table = table.log()
    return torch.bucketize(sigmas.log(), (log_table[1:] + log_table[:-1]) / 2)
