"""The samplers that other WebUI extensions call TCD, written from their equations, for comparison only.

All of them have a fixed gamma of 0.3 and use the WebUI's Automatic schedule.
"""

from collections.abc import Callable
from typing import Any

import torch

from ...gamma import DEFAULT_GAMMA
from ...schedule import find_table, nearest_timesteps
from ..demo.samplers import Sampler, get_uniform, with_generator

GetDown = Callable[[float, float, torch.Tensor], torch.Tensor]
"""Maps sigma, sigma_next and the noise table to the noise level that a step denoises to."""


def make_sample(get_down: GetDown) -> Callable[..., torch.Tensor]:
    """Returns a sampler whose steps denoise to get_down's noise level, then add noise up to the schedule's."""

    @torch.no_grad()
    def sample(
        model: Any, x: torch.Tensor, sigmas: torch.Tensor, noise_sampler: Callable[..., torch.Tensor], **_: Any
    ) -> torch.Tensor:
        table = find_table(model)
        for sigma, sigma_next in zip(sigmas, sigmas[1:]):
            denoised = model(x, sigma * x.new_ones([len(x)]))
            if sigma_next == 0:
                return denoised
            down = get_down(float(sigma), float(sigma_next), table)
            up = (sigma_next**2 - down**2).clamp(min=0).sqrt()
            x = denoised + down * (x - denoised) / sigma + up * noise_sampler(sigma, sigma_next)
        return x

    return sample


def share_of_timestep(sigma: float, table: torch.Tensor) -> torch.Tensor:
    """Returns the noise level at (1 - gamma) times the timestep of a noise level."""
    t = (1 - DEFAULT_GAMMA) * nearest_timesteps(torch.tensor([sigma]).to(table), table)
    return table[t.floor().long()][0]


def end_from_current(sigma: float, sigma_next: float, table: torch.Tensor) -> torch.Tensor:
    """Uses the timestep at the step's start. TCD uses the one at its end."""
    return share_of_timestep(sigma, table).clamp(max=sigma_next)


def end_from_next(sigma: float, sigma_next: float, table: torch.Tensor) -> torch.Tensor:
    """Equals TCD except at the end, where it denoises to noise level 0 instead of timestep 0."""
    return share_of_timestep(sigma_next, table)


def end_from_ddpm(sigma: float, sigma_next: float, table: torch.Tensor) -> torch.Tensor:
    """DDPM's step (arXiv 2006.11239). Gamma only turns its noise on."""
    return torch.tensor(sigma_next**2 / sigma)


VARIANTS = [
    Sampler(name, with_generator(make_sample(get_down)), "Uniform", get_uniform, lora="tcd")
    for name, get_down in {
        "TCD, Euler A variant": end_from_current,
        "TCD, DDPM variant": end_from_ddpm,
        "TCD, to noise level 0": end_from_next,
    }.items()
]
