"""What other extensions for the WebUI call TCD, from their equations, to be measured beside it. None is for use.

All of them take a gamma of 0.3 that the user cannot change, and the WebUI's Automatic schedule.
"""

from collections.abc import Callable
from typing import Any

import torch

from ...gamma import DEFAULT_GAMMA
from ...schedule import find_table, nearest_timesteps
from ..demo.samplers import Sampler, get_uniform, with_generator

GetDown = Callable[[float, float, torch.Tensor], torch.Tensor]
"""sigma, sigma_next and the model's noise table to the noise level that the model takes the step to."""


def make_sample(get_down: GetDown) -> Callable[..., torch.Tensor]:
    """A sampler that goes to a noise level of its own and adds noise up to the schedule's."""

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
    """The noise level at 1 - gamma of the timestep."""
    t = (1 - DEFAULT_GAMMA) * nearest_timesteps(torch.tensor([sigma]).to(table), table)
    return table[t.floor().long()][0]


def from_current(sigma: float, sigma_next: float, table: torch.Tensor) -> torch.Tensor:
    """A share of the timestep where the step starts, where it should be one of that where it ends."""
    return share_of_timestep(sigma, table).clamp(max=sigma_next)


def from_next(sigma: float, sigma_next: float, table: torch.Tensor) -> torch.Tensor:
    """As it should be, but for the end: there it goes to no noise at all."""
    return share_of_timestep(sigma_next, table)


def as_ddpm(sigma: float, sigma_next: float, table: torch.Tensor) -> torch.Tensor:
    """DDPM's (arXiv 2006.11239), with gamma for no more than a switch of its noise."""
    return torch.tensor(sigma_next**2 / sigma)


VARIANTS = [
    Sampler(name, with_generator(make_sample(get_down)), "Uniform", get_uniform, lora="tcd")
    for name, get_down in {
        "TCD, Euler A variant": from_current,
        "TCD, DDPM variant": as_ddpm,
        "TCD, without timestep 0": from_next,
    }.items()
]
