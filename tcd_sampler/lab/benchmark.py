"""The command benchmark: times sampler steps with a placeholder model, and counts GPU synchronizations.

A synchronization makes the CPU wait for the GPU. No GPU is needed: they are counted on stand-ins for GPU tensors.
"""

import argparse
import ast
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import diffusers
import torch
from tqdm.auto import trange

from .. import get_sigmas_tcd, sample_tcd
from ..errors import UserError
from . import messages
from .gpu_syncs import CountSyncs, GpuTensor
from .parity import Reference, single_thread

SHAPES = [(1, 4, 128, 128), (8, 4, 128, 128)]
SECONDS = 15.0
"""How long to repeat the timing of each shape."""

TIMED, SHORT, LONG = 20, 4, 8
"""Steps of the timed run, and of the two runs whose synchronizations are counted."""

EULER = "Euler a (k-diffusion)"
TCD = "TCD (this extension)"
LCM = "LCM (the WebUI)"
REFERENCE = "TCDScheduler.step (diffusers)"


class Job:
    """The inputs of a run, on the devices where the WebUI has them: noise levels on the CPU, the rest moved.

    The step noise is one prepared tensor, because drawing it takes all samplers the same time and hides differences.
    """

    def __init__(self, shape: Sequence[int], move: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor):
        self.scheduler = Reference("epsilon", torch.float32).scheduler
        alphas_cumprod = self.scheduler.alphas_cumprod
        table = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
        x, noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        self.x, self.noise, self.model = move(x), move(noise), PlaceholderModel(move(table))
        self.schedules = {n: get_sigmas_tcd(n, table) for n in (TIMED, SHORT, LONG)}


class PlaceholderModel:
    """A model that takes almost no time, and records when it is called."""

    def __init__(self, sigmas: torch.Tensor) -> None:
        self.sigmas = sigmas
        self.calls: list[float] = []

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        self.calls.append(time.perf_counter())
        return x * 0.5


Sampler = Callable[[Job, int], None]


@torch.no_grad()
def sample_euler_ancestral(
    model: Callable[..., torch.Tensor],
    x: torch.Tensor,
    sigmas: torch.Tensor,
    disable: bool | None,
    noise_sampler: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """Euler a with the same operations as k-diffusion's and the WebUI's, because its time is measured."""
    s_in = x.new_ones([len(x)])
    for i in trange(len(sigmas) - 1, disable=disable):
        denoised = model(x, sigmas[i] * s_in)
        sigma, sigma_next = sigmas[i], sigmas[i + 1]
        sigma_up = min(sigma_next, (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5)
        sigma_down = (sigma_next**2 - sigma_up**2) ** 0.5
        x = x + (x - denoised) / sigma * (sigma_down - sigma)
        if sigma_next > 0:
            x = x + noise_sampler(sigma, sigma_next) * 1.0 * sigma_up  # times s_noise, which the WebUI leaves at 1
    return x


def wrap_sampler(sample: Callable[..., torch.Tensor]) -> Sampler:
    """Runs a sampler that has k-diffusion's interface."""

    def run(job: Job, n: int) -> None:
        sample(job.model, job.x, job.schedules[n], disable=True, noise_sampler=lambda *_: job.noise)

    return run


def run_reference(job: Job, n: int) -> None:
    """Runs diffusers' scheduler as its pipelines do."""
    x = job.x
    job.scheduler.set_timesteps(n, device=x.device)
    with mock.patch("diffusers.schedulers.scheduling_tcd.randn_tensor", return_value=job.noise):
        for t in job.scheduler.timesteps:
            x = job.scheduler.step(job.model(x, t), t, x, return_dict=False)[0]


def load_sample_lcm(webui: Path) -> Callable[..., torch.Tensor]:
    """Returns the WebUI's sample_lcm without importing its module, which would start the WebUI.

    Raises UserError if there is none.
    """
    path = webui / "modules" / "sd_samplers_lcm.py"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "sample_lcm"]
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(messages.NO_LCM, folder=webui, reason=error) from error
    default_noise_sampler = lambda x: lambda *_: torch.randn_like(x)  # noqa: E731
    names: dict[str, Any] = {"torch": torch, "trange": trange, "default_noise_sampler": default_noise_sampler}
    exec(compile(ast.Module([function], []), str(path), "exec"), names)
    sample_lcm: Callable[..., torch.Tensor] = names["sample_lcm"]
    return sample_lcm


def time_step(sampler: Sampler, job: Job) -> float:
    """Returns the median of the seconds between two model calls. This leaves out what a run does once."""
    job.model.calls.clear()
    sampler(job, TIMED)
    return median(b - a for a, b in zip(job.model.calls, job.model.calls[1:]))


def time_steps(samplers: dict[str, Sampler], shape: Sequence[int]) -> dict[str, list[float]]:
    """Returns seconds per step by sampler. The samplers take turns at random, so that drift affects all equally."""
    job, order = Job(shape), list(samplers)
    seconds: dict[str, list[float]] = {name: [] for name in samplers}
    shuffle = random.Random(0).shuffle
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        shuffle(order)
        for name in order:
            seconds[name].append(time_step(samplers[name], job))
    return seconds


def count_syncs(sampler: Sampler) -> tuple[float, int]:
    """Returns the number of synchronizations per step, and in a whole run of SHORT steps."""
    counts = []
    for n in (SHORT, LONG):
        job = Job((1, 4, 8, 8), GpuTensor)
        with CountSyncs() as mode:
            sampler(job, n)
        counts.append(mode.count)
    return (counts[1] - counts[0]) / (LONG - SHORT), counts[0]


def print_table(samplers: dict[str, Sampler]) -> None:
    columns = [time_steps(samplers, shape) for shape in SHAPES]
    titles = ["x".join(map(str, shape)) for shape in SHAPES]
    print(f"{'':<32}{'time per step':<28}GPU syncs")
    print(f"{'':<32}{titles[0]:<14}{titles[1]:<14}per step   {SHORT}-step job")
    for name, sampler in samplers.items():
        ratios = [median(a / b for a, b in zip(column[name], column[EULER])) for column in columns]
        per_step, per_run = count_syncs(sampler)
        print(f"{name:<32}{ratios[0]:<14.2f}{ratios[1]:<14.2f}{per_step:<11g}{per_run}")
    scale = [f"{median(column[EULER]) * 1e6:.0f} us" for column in columns]
    print(f"{'1.00 is':<32}{scale[0]:<14}{scale[1]}")


def run(args: argparse.Namespace) -> int:
    webui: Path | None = args.webui
    samplers = {
        EULER: wrap_sampler(sample_euler_ancestral),
        TCD: wrap_sampler(sample_tcd),
        REFERENCE: run_reference,
    }
    if webui is not None:
        samplers[LCM] = wrap_sampler(load_sample_lcm(webui))
    print(
        "Samplers beside Euler a, with a placeholder model and step noise drawn in advance, float32 on one CPU thread"
    )
    print(f"(torch {torch.__version__}, diffusers {diffusers.__version__}):")
    with single_thread(), torch.no_grad():
        print_table(samplers)
    if webui is None:
        print("LCM was not timed. Add --webui DIR to time the one in a WebUI's modules/sd_samplers_lcm.py.")
    return 0
