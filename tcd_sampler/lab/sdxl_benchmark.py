"""The command benchmark-sdxl: times samplers with SDXL's UNet on a GPU, and compares half precision with float32.

The UNet is of full size and has random weights, scaled to predict noise of unit variance.
"""

import argparse
import copy
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import diffusers
import torch

from .. import get_sigmas_tcd, sample_tcd
from ..errors import UserError
from ..gamma import DEFAULT_GAMMA
from . import messages
from .benchmark import LONG, SHORT, sample_euler_ancestral
from .demo.samplers import sample_lcm
from .denoiser import DiscreteDenoiser
from .parity import Reference, relative_distance
from .sdxl_unet import SIDE, Network, build_unet, condition

BATCHES = (1, 2, 8)
STEPS = (4, 8)
"""Numbers of steps whose results are compared. The first is timed."""

REPEATS = 9

WAIT = "called a synchronizing CUDA operation"
"""How torch's warnings of waits begin."""

EULER, LCM, TCD, REFERENCE = "Euler a", "LCM", "TCD", "TCDScheduler (diffusers)"
"""Euler a and LCM are this repository's copies of the WebUI's samplers."""


@dataclass(frozen=True)
class Job:
    """A network with noise levels, initial noise (batch, 4, height, width) and the noise of each step."""

    network: Network
    denoiser: DiscreteDenoiser
    sigmas: torch.Tensor
    noise: torch.Tensor
    step_noise: torch.Tensor

    @property
    def steps(self) -> int:
        return len(self.step_noise)

    def run(self, sample: Callable[..., torch.Tensor], **options: Any) -> torch.Tensor:
        """Returns the final latents of a sampler with k-diffusion's interface."""
        noises = iter(self.step_noise)
        x = self.noise * (1 + self.sigmas[0] ** 2).sqrt()
        return sample(self.denoiser, x, self.sigmas, disable=True, noise_sampler=lambda *_: next(noises), **options)

    def run_reference(self, gamma: float = DEFAULT_GAMMA) -> torch.Tensor:
        """Returns the final latents of diffusers' TCDScheduler."""
        reference = Reference("epsilon", torch.float32)
        timesteps: dict[str, Any] = {"num_inference_steps": self.steps, "device": self.noise.device}
        return reference.sample(self.network, self.noise, iter(self.step_noise), gamma, **timesteps)[-1]


Sampler = Callable[[Job], torch.Tensor]

TIMED: dict[str, Sampler] = {
    EULER: partial(Job.run, sample=sample_euler_ancestral),
    TCD: partial(Job.run, sample=sample_tcd),
    LCM: partial(Job.run, sample=sample_lcm),
    REFERENCE: Job.run_reference,
}
COMPARED: dict[str, Sampler] = {
    EULER: TIMED[EULER],
    LCM: TIMED[LCM],
    **{f"TCD, gamma {gamma:g}": partial(Job.run, sample=sample_tcd, gamma=gamma) for gamma in (0.0, 0.3, 1.0)},
}


def make_job(network: Network, batch: int, steps: int, device: torch.device) -> Job:
    alphas_cumprod = Reference("epsilon", torch.float32).scheduler.alphas_cumprod
    denoiser = DiscreteDenoiser(network, alphas_cumprod.to(device))
    noise = torch.randn(1 + steps, batch, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(2)).to(device)
    return Job(network, denoiser, get_sigmas_tcd(steps, denoiser.sigmas), noise[0], noise[1:])


def time_step(sampler: Sampler, job: Job) -> float:
    """Returns the seconds per step of a whole run, with the GPU's work."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    sampler(job)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / job.steps


def time_steps(job: Job) -> dict[str, float]:
    """Returns the median seconds per step of each sampler. They take turns, after a first run that is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in TIMED}
    for _ in range(1 + REPEATS):
        for name, sampler in TIMED.items():
            seconds[name].append(time_step(sampler, job))
    return {name: median(each[1:]) for name, each in seconds.items()}


def count(sampler: Sampler, job: Job) -> int:
    """Returns how often the CPU waits for the GPU in a run. torch warns of it each time."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            sampler(job)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum(str(each.message).startswith(WAIT) for each in caught)


def count_waits(sampler: Sampler, device: torch.device) -> tuple[float, int]:
    """Returns how often the CPU waits for the GPU in a step, and in a whole run, with a network that does nothing.

    A first run is not counted, because it sets the GPU up.
    """
    short, long = (make_job(do_nothing, 1, steps, device) for steps in (SHORT, LONG))
    sampler(short)
    counts = [count(sampler, job) for job in (short, long)]
    return (counts[1] - counts[0]) / (LONG - SHORT), counts[0]


def do_nothing(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return x * 0.5


def print_times(network: Network, device: torch.device) -> None:
    columns = {f"{batch} images": make_job(network, batch, STEPS[0], device) for batch in BATCHES}
    columns["no UNet"] = make_job(do_nothing, 1, STEPS[0], device)
    seconds = {title: time_steps(job) for title, job in columns.items()}
    print(f"\nms per step{'':<21}" + "".join(f"{title:<12}" for title in columns) + "GPU waits per step and run")
    for name, sampler in TIMED.items():
        times = "".join(f"{each[name] * 1000:<12.3f}" for each in seconds.values())
        per_step, per_run = count_waits(sampler, device)
        print(f"{name:<32}{times}{per_step:g} and {per_run}")


def compare_precisions(exact: dict[int, Job], others: dict[str, dict[int, Job]]) -> None:
    """Prints the relative L2 distance of the final latents from float32's. Jobs are given by their number of steps."""
    titles = [f"{name}, {steps} steps" for steps in exact for name in others]
    print(f"\n{'distance from float32':<32}" + "".join(f"{title:<20}" for title in titles).rstrip())
    for name, sampler in COMPARED.items():
        cells = []
        for steps, job in exact.items():
            reference = sampler(job)
            results = (sampler(jobs[steps]) for jobs in others.values())
            cells += [f"{relative_distance([result], [reference]):<20.1e}" for result in results]
        print(f"{name:<32}" + "".join(cells).rstrip())


def compare_with_diffusers(exact: dict[int, Job]) -> None:
    distances = [relative_distance([TIMED[TCD](job)], [TIMED[REFERENCE](job)]) for job in exact.values()]
    print(f"\nTCD's distance from TCDScheduler's in float32: {max(distances):.1e}")


@torch.no_grad()
def print_tables(device: torch.device) -> None:
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        unet = build_unet(device)
        half = {dtype: copy.deepcopy(unet).to(dtype) for dtype in (torch.float16, torch.bfloat16)}
        print_times(condition(half[torch.float16]), device)

        def make_jobs(network: Network) -> dict[int, Job]:
            return {steps: make_job(network, 1, steps, device) for steps in STEPS}

        exact = make_jobs(condition(unet))
        others = {str(dtype).removeprefix("torch."): make_jobs(condition(each)) for dtype, each in half.items()}
        compare_precisions(exact, others)
        compare_with_diffusers(exact)


def run(args: argparse.Namespace) -> int:
    """Raises UserError without a GPU."""
    if not torch.cuda.is_available():
        raise UserError(messages.GPU_NEEDED)
    print(f"SDXL's UNet with random weights, 1024x1024, on {torch.cuda.get_device_name()}")
    print(f"(torch {torch.__version__}, diffusers {diffusers.__version__}). Times are of float16.")
    print_tables(torch.device("cuda"))
    return 0
