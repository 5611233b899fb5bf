"""The samplers that are compared: TCD, and k-diffusion's on the same model, as the WebUI sets them up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from tqdm.auto import trange

from ... import get_sigmas_tcd, sample_tcd
from .kdiffusion import k_diffusion

Sigmas = Callable[[int, torch.Tensor], torch.Tensor]
"""A schedule: the number of steps and the model's noise table to n + 1 noise levels."""


@dataclass(frozen=True)
class Sampler:
    """A sampler with the schedule that the WebUI's Automatic gives it, and the LoRA that it is for."""

    name: str
    sample: Callable[..., torch.Tensor]
    schedule: str
    get_sigmas: Sigmas
    lora: str | None = None
    """None: it runs the model itself, guided; otherwise guidance is distilled into the LoRA."""

    is_random: bool = True
    """Whether it adds noise at its steps."""


@torch.no_grad()
def sample_lcm(
    model: Callable[..., torch.Tensor],
    x: torch.Tensor,
    sigmas: torch.Tensor,
    extra_args: dict[str, Any] | None = None,
    callback: Callable[[dict[str, Any]], None] | None = None,
    disable: bool | None = None,
    noise_sampler: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Multistep consistency sampling (arXiv 2303.01469, Algorithm 1), as the WebUI's LCM does it: x = D + sigma z."""
    extra_args = {} if extra_args is None else extra_args
    for i in trange(len(sigmas) - 1, disable=disable):
        denoised = model(x, sigmas[i] * x.new_ones([len(x)]), **extra_args)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
        x = denoised
        if sigmas[i + 1] > 0:
            noise = torch.randn_like(x) if noise_sampler is None else noise_sampler(sigmas[i], sigmas[i + 1])
            x = x + sigmas[i + 1] * noise
    return x


def get_uniform(n: int, table: torch.Tensor) -> torch.Tensor:
    """Equal distances in timesteps from 999 to 0: Automatic, for most samplers."""
    t = torch.linspace(len(table) - 1, 0, n)
    low, high, weight = table[t.floor().long()], table[t.ceil().long()], t.frac()
    return torch.cat([(low.log() * (1 - weight) + high.log() * weight).exp(), table.new_zeros(1)])


def get_karras(n: int, table: torch.Tensor) -> torch.Tensor:
    """Automatic for the DPM++ family: equation 5 of arXiv 2206.00364."""
    sigmas: torch.Tensor = k_diffusion.sampling.get_sigmas_karras(n, float(table[0]), float(table[-1]))
    return sigmas


TCD = Sampler("TCD", sample_tcd, "TCD", get_sigmas_tcd, lora="tcd")
LCM = Sampler("LCM", sample_lcm, "TCD", get_sigmas_tcd, lora="lcm")
EULER_A = Sampler("Euler a", k_diffusion.sampling.sample_euler_ancestral, "Uniform", get_uniform)
DPM_2M = Sampler("DPM++ 2M", k_diffusion.sampling.sample_dpmpp_2m, "Karras", get_karras, is_random=False)

SAMPLERS = {sampler.name: sampler for sampler in (TCD, LCM, EULER_A, DPM_2M)}
