"""TCD's sampler: Strategic Stochastic Sampling, Algorithm 4 of arXiv 2402.19159."""

from collections.abc import Callable
from typing import Any

import torch
from tqdm.auto import tqdm

from .gamma import DEFAULT_GAMMA, check_gamma
from .schedule import find_table, nearest_timesteps


def get_tcd_steps(sigmas: torch.Tensor, table: torch.Tensor, gamma: float) -> list[tuple[float, float, float]]:
    """(sigma, sigma_s, sigma_up) of each step: where it is, where the model takes it, and the noise it adds back.

    s = floor((1 - gamma) t) for the timestep t that the step ends on, the nearest one where a schedule's levels lie
    between timesteps. Its final 0 means timestep 0, or the level before where that is lower still.
    """
    sigmas, table = sigmas.detach().cpu().double(), table.double()
    sigma_next = torch.where(sigmas[1:] > 0, sigmas[1:], sigmas[:-1].clamp(max=table[0]))
    t = nearest_timesteps(sigma_next, table)
    s = torch.floor((1 - gamma) * t).long()  # in torch's default dtype, as the reference has it
    sigma_s = sigma_next * (table[s] / table[t])  # table[s], where the level is a timestep's own
    sigma_up = (sigma_next**2 - sigma_s**2).sqrt()
    return list(zip(sigmas[:-1].tolist(), sigma_s.tolist(), sigma_up.tolist()))


@torch.no_grad()
def sample_tcd(
    model: Callable[..., torch.Tensor],
    x: torch.Tensor,
    sigmas: torch.Tensor,
    extra_args: dict[str, Any] | None = None,
    callback: Callable[[dict[str, Any]], None] | None = None,
    disable: bool | None = None,
    noise_sampler: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    gamma: float = DEFAULT_GAMMA,
) -> torch.Tensor:
    """Strategic Stochastic Sampling (Algorithm 4 of arXiv 2402.19159), equal to diffusers' TCDScheduler.

    model: a discrete denoiser of k_diffusion.external or a guidance wrapper round one, called once a step.
    x: the start, (batch, ...), at noise level sigmas[0]; the reference's is noise * sqrt(1 + sigmas[0] ** 2).
    sigmas: n + 1 descending noise levels of any schedule. A final 0 stands for timestep 0, where the reference ends:
    the result is then scaled as the reference's, to unit variance. Otherwise it is left at noise level sigmas[-1].
    gamma: 0 adds no noise, 1 adds all of it anew at every step. ValueError if it is not a number from 0 to 1, or if
    the model's noise table is not that of a diffusion model.
    """
    table = find_table(model)
    steps = get_tcd_steps(sigmas, table, check_gamma(gamma))
    extra_args = {} if extra_args is None else extra_args
    s_in = x.new_ones([x.shape[0]])

    for i, (sigma, sigma_s, sigma_up) in enumerate(tqdm(steps, disable=disable)):
        denoised = model(x, sigmas[i] * s_in, **extra_args)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
        eps = (x - denoised) / sigma
        x = denoised + sigma_s * eps
        if sigma_up > 0:
            noise = torch.randn_like(x) if noise_sampler is None else noise_sampler(sigmas[i], sigmas[i + 1])
            x = x + sigma_up * noise

    if steps and sigmas[-1] == 0:
        sigma_end = steps[-1][1]
        x = x / (1 + sigma_end**2) ** 0.5
    return x
