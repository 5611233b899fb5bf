"""The command parity: compares sample_tcd with diffusers' TCDScheduler for all steps and gammas."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import diffusers
import torch

from .. import get_sigmas_tcd, sample_tcd
from .denoiser import PREDICTION_TYPES, DiscreteDenoiser
from .output import check_output, writing

STEPS = range(1, 51)
GAMMAS = [i / 20 for i in range(21)]
LIMITS = {torch.float32: 1e-5, torch.float64: 1e-10}
"""The largest relative L2 distance allowed, by precision."""


class Reference:
    """diffusers' TCDScheduler on Stable Diffusion's noise table, with all of its arithmetic in one precision."""

    def __init__(self, prediction_type: str, dtype: torch.dtype) -> None:
        self.scheduler = diffusers.TCDScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type
        )
        self.scheduler.alphas_cumprod = self.scheduler.alphas_cumprod.to(dtype)

    def sample(
        self,
        network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        x: torch.Tensor,
        noises: Iterator[torch.Tensor],
        gamma: float,
        **timesteps: int | list[int],
    ) -> list[torch.Tensor]:
        """Returns the latents before each step and the final ones. timesteps: the arguments of set_timesteps."""
        self.scheduler.set_timesteps(**timesteps)
        latents = [x]
        with mock.patch("diffusers.schedulers.scheduling_tcd.randn_tensor", side_effect=lambda *_, **__: next(noises)):
            for t in self.scheduler.timesteps:
                output = network(latents[-1], t.expand(len(x)))
                latents.append(self.scheduler.step(output, t, latents[-1], eta=gamma).prev_sample)
        return latents


def sample(
    denoiser: Callable[..., torch.Tensor],
    x: torch.Tensor,
    noises: Iterator[torch.Tensor],
    gamma: float,
    sigmas: torch.Tensor,
) -> list[torch.Tensor]:
    """Returns the same latents of sample_tcd, scaled to unit variance as the reference's are."""
    latents: list[torch.Tensor] = []
    final = sample_tcd(
        denoiser,
        x * (1 + sigmas[0] ** 2).sqrt(),
        sigmas,
        callback=lambda step: latents.append(step["x"] / (1 + step["sigma"] ** 2).sqrt()),
        disable=True,
        noise_sampler=lambda *_: next(noises),
        gamma=gamma,
    )
    return [*latents, final]


def get_network(alphas_cumprod: torch.Tensor) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Returns a smooth stand-in for a UNet: the exact epsilon of Gaussian data, plus a mix of pixels and channels."""

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        a = alphas_cumprod[t.round().long()].reshape(-1, 1, 1, 1)
        return (1 - a).sqrt() * x + a.sqrt() / 4 * torch.tanh(x + x.flip(1) + x.roll(1, -1))

    return network


def relative_distance(ours: list[torch.Tensor], reference: list[torch.Tensor]) -> float:
    """Returns the largest relative L2 distance of two runs, over all of their latents."""
    assert len(ours) == len(reference)
    return max(float((a - b).norm() / b.norm()) for a, b in zip(ours, reference))


def measure(n: int, gamma: float, prediction_type: str, dtype: torch.dtype) -> float:
    """Returns sample_tcd's distance from the reference with n steps, on the same initial and step noise."""
    reference = Reference(prediction_type, dtype)
    alphas_cumprod = reference.scheduler.alphas_cumprod
    network = get_network(alphas_cumprod)
    denoiser = DiscreteDenoiser(network, alphas_cumprod, prediction_type)
    x, *noises = torch.randn(n, 2, 4, 8, 8, generator=torch.Generator().manual_seed(n), dtype=dtype)
    sigmas = get_sigmas_tcd(n, denoiser.sigmas)
    return relative_distance(
        sample(denoiser, x, iter(noises), gamma, sigmas),
        reference.sample(network, x, iter(noises), gamma, num_inference_steps=n),
    )


@contextmanager
def single_thread() -> Iterator[None]:
    """Runs the block on one thread, which is faster for tensors this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def draw(distances: dict[tuple[str, torch.dtype], torch.Tensor], output: Path) -> None:
    """Draws a map of the distance over steps and gamma for each prediction type and precision."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 6), sharex=True, sharey=True, layout="constrained")
    for axis, ((prediction_type, dtype), distance) in zip(axes.flat, distances.items()):
        image = axis.imshow(
            distance.clamp(min=1e-17).log10(), origin="lower", aspect="auto", extent=(0.5, 50.5, -0.025, 1.025),
            vmin=-17, vmax=-5, cmap="viridis",
        )  # fmt: skip
        axis.set_title(f"{prediction_type}, {str(dtype).removeprefix('torch.')}: at most {distance.max():.1e}")
    figure.supxlabel("steps")
    figure.supylabel("gamma")
    figure.colorbar(image, ax=axes, label="log10 of the relative L2 distance to diffusers' TCDScheduler")
    figure.savefig(output, dpi=100)


def run(args: argparse.Namespace) -> int:
    check_output(args.output)
    print(f"Largest relative L2 distance to diffusers {diffusers.__version__}, over all latents of each run")
    print(f"(steps {STEPS[0]} to {STEPS[-1]}, gamma {GAMMAS[0]:g} to {GAMMAS[-1]:g} by 0.05):")
    distances = {}
    with single_thread():
        for dtype, limit in LIMITS.items():
            for prediction_type in PREDICTION_TYPES:
                rows = [[measure(n, gamma, prediction_type, dtype) for n in STEPS] for gamma in GAMMAS]
                distance = distances[prediction_type, dtype] = torch.tensor(rows)
                name = f"{prediction_type}, {str(dtype).removeprefix('torch.')}"
                print(f"  {name:<24}{distance.max():.1e}   (limit {limit:.0e})", flush=True)
    with writing(args.output):
        draw(distances, args.output)
    print(f"Drawn in {args.output}.")
    return int(any(distance.max() > LIMITS[dtype] for (_, dtype), distance in distances.items()))
