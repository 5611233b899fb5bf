"""The samplers to compare: TCD, LCM, Euler a and DPM++ 2M, with the WebUI's schedules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor

from ... import get_sigmas_tcd, sample_tcd

Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps latents (batch, ...) and their noise levels (batch,) to denoised latents."""

Callback = Callable[[dict[str, Any]], None]
"""Called at each step with k-diffusion's dictionary: x, i, sigma, sigma_hat, denoised."""

Sigmas = Callable[[int, torch.Tensor], torch.Tensor]
"""A schedule: maps the number of steps n and the noise table to n + 1 noise levels."""


@dataclass(frozen=True)
class Sampler:
    """A sampler with the schedule that the WebUI's Automatic gives it, and the LoRA that it is for."""

    name: str
    sample: Callable[..., torch.Tensor]
    """Called with a denoiser, latents, noise levels, a generator for all step noise, and optionally a callback."""

    schedule: str
    get_sigmas: Sigmas
    lora: str | None = None
    """The LoRA with distilled guidance, or None for a sampler that uses the model with CFG."""


def with_generator(sample: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Gives a sampler of k-diffusion's interface the interface of Sampler.sample."""

    def run(
        model: Denoiser, x: torch.Tensor, sigmas: torch.Tensor, generator: torch.Generator, **options: Any
    ) -> torch.Tensor:
        def draw(*_: Any) -> torch.Tensor:
            noise: torch.Tensor = randn_tensor(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            return noise

        return sample(model, x, sigmas, noise_sampler=draw, disable=True, **options)

    return run


def denoise(
    model: Denoiser, x: torch.Tensor, sigmas: torch.Tensor, i: int, callback: Callback | None = None
) -> torch.Tensor:
    """Returns the denoised latents of step i, and calls the callback with them."""
    denoised = model(x, sigmas[i] * x.new_ones([len(x)]))
    if callback is not None:
        callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
    return denoised


@torch.no_grad()
def sample_lcm(
    model: Denoiser,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    noise_sampler: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    callback: Callback | None = None,
    disable: bool | None = None,
) -> torch.Tensor:
    """The WebUI's LCM: multistep consistency sampling (arXiv 2303.01469, Algorithm 1), x = D + sigma z.

    diffusers' LCMScheduler computes something else: it blends a share of x into D (the boundary conditions that LCM
    is trained with), which the WebUI leaves out.
    """
    for i in range(len(sigmas) - 1):
        x = denoise(model, x, sigmas, i, callback)
        if sigmas[i + 1] > 0:
            x = x + sigmas[i + 1] * noise_sampler(sigmas[i], sigmas[i + 1])
    return x


def use_sigmas(scheduler: Any, sigmas: torch.Tensor) -> Any:
    """Makes a diffusers scheduler run on these noise levels, the last of them 0."""
    scheduler.set_timesteps(len(sigmas) - 1)
    scheduler.sigmas = sigmas.cpu()
    scheduler.set_begin_index(0)  # otherwise it looks for the level by the timestep, which is not of this schedule
    return scheduler


@torch.no_grad()
def sample_euler_ancestral(
    model: Denoiser,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    generator: torch.Generator,
    callback: Callback | None = None,
) -> torch.Tensor:
    """Euler a, by diffusers."""
    scheduler = use_sigmas(EulerAncestralDiscreteScheduler(), sigmas)
    scheduler.is_scale_input_called = True  # the denoiser scales its input itself
    for i, t in enumerate(scheduler.timesteps):
        epsilon = (x - denoise(model, x, sigmas, i, callback)) / sigmas[i]
        x = scheduler.step(epsilon, t, x, generator=generator).prev_sample
    return x


@torch.no_grad()
def sample_dpm_solver(
    scheduler: Any, model: Denoiser, x: torch.Tensor, sigmas: torch.Tensor, callback: Callback | None = None
) -> torch.Tensor:
    """Samples with one of diffusers' DPM-Solver++ schedulers of prediction type "sample"."""
    use_sigmas(scheduler, sigmas)
    scales = (1 + sigmas**2).sqrt()  # the scheduler's latents have unit variance
    x = x / scales[0]
    for i, t in enumerate(scheduler.timesteps):
        denoised = denoise(model, x * scales[i], sigmas, i, callback)
        x = scheduler.step(denoised, t, x).prev_sample
    return x * scales[-1]


def sample_dpmpp_2m(
    model: Denoiser,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    generator: torch.Generator,
    callback: Callback | None = None,
) -> torch.Tensor:
    """DPM++ 2M, by diffusers. It adds no noise."""
    return sample_dpm_solver(DPMSolverMultistepScheduler(prediction_type="sample"), model, x, sigmas, callback)


def get_uniform(n: int, table: torch.Tensor) -> torch.Tensor:
    """Evenly spaced timesteps from 999 to 0: the WebUI's Automatic for most samplers."""
    t = torch.linspace(len(table) - 1, 0, n)
    low, high, weight = table[t.floor().long()], table[t.ceil().long()], t.frac()
    return torch.cat([(low.log() * (1 - weight) + high.log() * weight).exp(), table.new_zeros(1)])


def get_karras(n: int, table: torch.Tensor, rho: float = 7.0) -> torch.Tensor:
    """Karras: equation 5 of arXiv 2206.00364, the WebUI's Automatic for the DPM++ family."""
    low, high = float(table[0]) ** (1 / rho), float(table[-1]) ** (1 / rho)
    sigmas = (high + torch.linspace(0, 1, n) * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


TCD = Sampler("TCD", with_generator(sample_tcd), "TCD", get_sigmas_tcd, lora="tcd")
LCM = Sampler("LCM", with_generator(sample_lcm), "TCD", get_sigmas_tcd, lora="lcm")
EULER_A = Sampler("Euler a", sample_euler_ancestral, "Uniform", get_uniform)
DPM_2M = Sampler("DPM++ 2M", sample_dpmpp_2m, "Karras", get_karras)

SAMPLERS = {sampler.name: sampler for sampler in (TCD, LCM, EULER_A, DPM_2M)}
