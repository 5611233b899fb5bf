"""TCD's sampler: Strategic Stochastic Sampling, Algorithm 4 of arXiv 2402.19159."""

from collections.abc import Callable
from typing import Any

import torch
from tqdm.auto import tqdm

from .gamma import DEFAULT_GAMMA, check_gamma
from .schedule import find_table, nearest_timesteps


def get_tcd_steps(sigmas: torch.Tensor, table: torch.Tensor, gamma: float) -> list[tuple[float, float, float]]:
    """Returns (sigma, sigma_s, sigma_up) for each step of a schedule of n + 1 noise levels, n triples of floats.

    sigma is the noise level at which the step starts. The model's ODE step ends at sigma_s; sigma_up is the standard
    deviation of the noise that is then added. sigma_s**2 + sigma_up**2 is the squared noise level at the step's end.

    In Algorithm 4, s = floor((1 - gamma) t), where t is the timestep at the step's end. Noise levels between two
    timesteps use the nearest timestep. A final 0 means timestep 0, or the previous level if that is lower.
    """
    sigmas, table = sigmas.detach().cpu().double(), table.double()
    sigma_next = torch.where(sigmas[1:] > 0, sigmas[1:], sigmas[:-1].clamp(max=table[0]))
    t = nearest_timesteps(sigma_next, table)
    s = torch.floor((1 - gamma) * t).long()  # in torch's default dtype, as in the reference
    sigma_s = sigma_next * (table[s] / table[t])  # table[s] if sigma_next is a level of the table
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
    """Samples with Strategic Stochastic Sampling (Algorithm 4 of arXiv 2402.19159), like diffusers' TCDScheduler.

    Args:
        model: A discrete denoiser of k_diffusion.external, or a guidance wrapper around one. Called once per step.
        x: The initial latents, shape (batch, ...), at noise level sigmas[0]. The reference starts from unit noise
            multiplied by sqrt(1 + sigmas[0] ** 2).
        sigmas: The n + 1 noise levels of any schedule, descending. A final 0 stands for timestep 0.
        extra_args: Keyword arguments for every call of the model.
        callback: Called in each step, after the model, with the dict that k-diffusion's samplers pass.
        disable: Whether to hide the progress bar.
        noise_sampler: Returns the noise of the step between two noise levels. Default: torch.randn_like.
        gamma: From 0, which adds no noise, to 1, which re-noises fully at every step.

    Returns:
        The latents, with the shape of x. If sigmas ends with 0, they are scaled to unit variance, like the
        reference's result. Otherwise they remain at noise level sigmas[-1].

    Raises:
        UserError: If gamma is not a number from 0 to 1, or if the model's noise table is not that of a diffusion
            model. UserError is a ValueError.
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
