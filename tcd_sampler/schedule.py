"""TCD's noise schedule: the timesteps of a run and their noise levels (sigmas)."""

from typing import Any

import torch

from . import messages
from .errors import UserError

TIMESTEPS = 1000
"""Number of timesteps of the diffusion process (0 to 999) and length of a model's noise table."""

TRAINED_STEPS = 50
"""Number of timesteps that TCD was distilled on (19, 39, ... 999): the steps of its DDIM solver."""

ZERO_SNR_SIGMA = 4518.0
"""Replaces an infinite noise level, as in the WebUIs' zero-terminal-SNR tables (alpha-bar 4.9e-8)."""


def tcd_timesteps(n: int) -> torch.Tensor:
    """Returns the n timesteps of a run, descending from 999, shape (n,).

    For up to 50 steps they equal those of diffusers' TCDScheduler, a subset of the trained timesteps. diffusers
    rejects more steps. Up to 1000, they are spaced evenly over all timesteps; beyond, they are fractional.

    Returns int64 for up to 1000 steps, else float64. Raises UserError (a ValueError) if n is negative.
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
    """Returns the noise levels of a run of n steps: shape (n + 1,), strictly decreasing, ending with 0.

    sigmas is the model's noise table (see check_table). Fractional timesteps are interpolated on a log scale.
    Raises UserError (a ValueError) if the table is invalid or n is negative.
    """
    table, t = check_table(sigmas), tcd_timesteps(n).double()
    low, high = table[t.floor().long()], table[t.ceil().long()]
    steps = low * (high / low) ** t.frac().to(table)  # exactly the table's value at whole timesteps
    return torch.cat([steps, steps.new_zeros(1)]).to(device)


def find_table(model: Any) -> torch.Tensor:
    """Returns the noise table of a k-diffusion denoiser, or of the denoiser inside a guidance wrapper.

    Raises UserError (a ValueError) if there is no table or check_table rejects it.
    """
    while not hasattr(model, "sigmas"):
        if not hasattr(model, "inner_model"):
            raise UserError(messages.NO_NOISE_TABLE)
        model = model.inner_model
    return check_table(model.sigmas)


def check_table(sigmas: torch.Tensor) -> torch.Tensor:
    """Returns a model's noise table on the CPU: shape (1000,), ascending, indexed by timestep, at least float32.

    Raises UserError (a ValueError) for model families that TCD does not support. Rectified-flow models (SD3, Flux)
    have noise levels of at most 1; other families have another number of timesteps.
    """
    table = sigmas.detach().cpu()
    table = table.to(torch.promote_types(table.dtype, torch.float32)).nan_to_num(posinf=ZERO_SNR_SIGMA)
    if table.shape == (TIMESTEPS,) and table[0] > 0 and bool((table[1:] > table[:-1]).all()) and table[-1] > 1:
        return table
    raise UserError(messages.NOT_A_DIFFUSION_MODEL)


def nearest_timesteps(sigmas: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Returns, for each noise level, the timestep with the nearest level on a log scale (int64, same shape)."""
    log_table = table.log()
    return torch.bucketize(sigmas.log(), (log_table[1:] + log_table[:-1]) / 2)
