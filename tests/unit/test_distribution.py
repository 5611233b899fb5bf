"""Checks without diffusers that the sampler's output follows the data, for any gamma and number of steps.

The data are one-dimensional, from a Gaussian mixture. A trajectory of the probability-flow ODE then keeps its quantile,
so the exact jump between two noise levels is known. A model that makes this jump is the ideal towards which TCD
distills a network (the trajectory consistency function of the paper). With that model and an exact start, Strategic
Stochastic Sampling draws exactly from the data at timestep 0. The wrong variants in other projects do not.

The test is Kolmogorov-Smirnov's with SAMPLES samples. It rejects a correct sampler with probability 1e-9
(Dvoretzky-Kiefer-Wolfowitz). Its power: if the largest difference of the distribution functions is LIMIT + d, a sampler
passes with probability at most 2 exp(-2 SAMPLES d^2). For d = 0.01 this is 1e-16.
"""

import itertools
import math

import pytest
import torch

from tcd_sampler import get_sigmas_tcd, sample_tcd, tcd_timesteps

from .tables import TABLE as TABLE_FLOAT32

SAMPLES = 200_000
LIMIT = math.sqrt(math.log(2 / 1e-9) / (2 * SAMPLES))
MARGIN = 0.01
TABLE = TABLE_FLOAT32.double()

MEANS = torch.tensor([-1.5, -0.4, 0.3, 1.2], dtype=torch.float64)
SCALES = torch.tensor([0.02, 0.3, 0.02, 0.1], dtype=torch.float64)  # two modes as narrow as the noise at timestep 0
WEIGHTS = torch.tensor([0.3, 0.3, 0.3, 0.1], dtype=torch.float64)
GRID = torch.linspace(-1, 1, 10_001, dtype=torch.float64)


def distribution_function(x, sigma):
    """P(data + sigma * noise <= x)."""
    scales = (SCALES**2 + sigma**2).sqrt()
    return (WEIGHTS * torch.special.ndtr((x[..., None] - MEANS) / scales)).sum(-1)


def interpolate(x, xs, ys):
    high = torch.searchsorted(xs, x).clamp(1, len(xs) - 1)
    weight = (x - xs[high - 1]) / (xs[high] - xs[high - 1])
    return torch.lerp(ys[high - 1], ys[high], weight)


def interpolate_on_grid(x, width, ys):
    """Interpolates like interpolate, with GRID * width for xs."""
    at = (x / width + 1) * ((len(GRID) - 1) / 2)
    low = at.long().clamp_(0, len(GRID) - 2)
    return torch.lerp(ys[low], ys[low + 1], at.sub_(low))


def flow(x, sigma, sigma_s):
    """Returns the probability-flow ODE's solution at sigma_s from x at sigma: the point with the same quantile."""
    width, width_s = 3 + 8 * sigma, 3 + 8 * sigma_s
    # logits resolve the tails
    quantiles = distribution_function(GRID * width, sigma).clamp(1e-300, 1 - 1e-16).logit()
    quantiles_s = distribution_function(GRID * width_s, sigma_s).clamp(1e-300, 1 - 1e-16).logit()
    return interpolate_on_grid(x, width, interpolate(quantiles, quantiles_s, GRID * width_s))


class Oracle:
    """A k-diffusion denoiser that makes each step's jump exactly, to the target timestep of the paper."""

    sigmas = TABLE

    def __init__(self, n, gamma):
        ends = [*tcd_timesteps(n).tolist()[1:], 0]
        self.targets = [float(TABLE[math.floor((1 - gamma) * t)]) for t in ends]

    def __call__(self, x, sigma):
        sigma, sigma_s = float(sigma[0]), self.targets.pop(0)
        ratio = sigma_s / sigma
        return (flow(x, sigma, sigma_s) - ratio * x) / (1 - ratio)  # x_s = D + sigma_s (x - D) / sigma, solved for D


def draw_start(generator):
    """Returns exact samples of the data at the highest noise level."""
    mode = torch.multinomial(WEIGHTS, SAMPLES, replacement=True, generator=generator)
    noise = torch.randn(2, SAMPLES, generator=generator, dtype=torch.float64)
    return (MEANS[mode] + SCALES[mode] * noise[0] + TABLE[-1] * noise[1]).reshape(-1, 1, 1, 1)


def distance_to_data(samples):
    """Returns the Kolmogorov-Smirnov distance of samples, scaled like the reference's, to the data at timestep 0."""
    ordered = (samples.flatten() * (1 + TABLE[0] ** 2).sqrt()).sort().values
    expected = distribution_function(ordered, float(TABLE[0]))
    ranks = torch.arange(SAMPLES + 1, dtype=torch.float64) / SAMPLES
    return float(torch.maximum((expected - ranks[:-1]).abs(), (expected - ranks[1:]).abs()).max())


def measure(sampler, n, gamma):
    generator = torch.Generator().manual_seed(round(1000 * gamma) + n)
    x = draw_start(generator)
    noise = lambda *_: torch.randn(x.shape, generator=generator, dtype=x.dtype)  # noqa: E731
    return distance_to_data(sampler(Oracle(n, gamma), x, get_sigmas_tcd(n, TABLE), gamma=gamma, noise_sampler=noise))


def ours(model, x, sigmas, gamma, noise_sampler):
    return sample_tcd(model, x, sigmas, disable=True, noise_sampler=noise_sampler, gamma=gamma)


def wrong(step, end_at_zero=False):
    """Returns a sampler that differs from the correct one in a step's arithmetic, or in its last noise level."""

    def sampler(model, x, sigmas, gamma, noise_sampler):
        ends = [*sigmas[1:-1], torch.zeros(()) if end_at_zero else TABLE[0]]
        for sigma, sigma_next in zip(sigmas, ends):
            denoised = model(x, sigma.expand(1))
            eps = (x - denoised) / sigma
            x = step(denoised, eps, sigma, sigma_next, gamma, noise_sampler)
        return x / (1 + ends[-1] ** 2).sqrt()

    return sampler


def timestep(sigma):
    return int((TABLE - sigma).abs().argmin())


def interpolated_sigma(t):
    return torch.lerp(TABLE[int(t)].log(), TABLE[math.ceil(t)].log(), t % 1).exp()


def down_and_up(denoised, eps, sigma_next, sigma_s, noise):
    return denoised + sigma_s * eps + (sigma_next**2 - sigma_s**2).clamp(min=0).sqrt() * noise


def current_timestep(denoised, eps, sigma, sigma_next, gamma, noise):
    """ "Euler A": computes s from the timestep where the step starts."""
    sigma_s = torch.minimum(TABLE[math.floor((1 - gamma) * timestep(sigma))], sigma_next)
    return down_and_up(denoised, eps, sigma_next, sigma_s, noise(sigma, sigma_next))


def ddpm(denoised, eps, sigma, sigma_next, gamma, noise):
    """ "TCD": an ancestral step to the next level. Gamma only turns the noise on."""
    sigma_up = (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2).sqrt() if gamma > 0 else torch.zeros(())
    return down_and_up(denoised, eps, sigma_next, (sigma_next**2 - sigma_up**2).sqrt(), noise(sigma, sigma_next))


def no_floor(denoised, eps, sigma, sigma_next, gamma, noise):
    """ "Real": s between timesteps (and the last level is 0)."""
    sigma_s = interpolated_sigma((1 - gamma) * timestep(sigma_next)) if sigma_next > 0 else sigma_next
    return down_and_up(denoised, eps, sigma_next, sigma_s, noise(sigma, sigma_next))


def lcm(denoised, eps, sigma, sigma_next, gamma, noise):
    """LCM: denoises fully and adds all of the noise."""
    return denoised + sigma_next * noise(sigma, sigma_next)


def swapped(denoised, eps, sigma, sigma_next, gamma, noise):
    """Swaps gamma and 1 - gamma, a likely confusion with eta."""
    sigma_s = TABLE[math.floor(gamma * timestep(sigma_next))] if sigma_next > TABLE[0] else TABLE[0]
    return down_and_up(denoised, eps, sigma_next, sigma_s, noise(sigma, sigma_next))


VARIANTS = {
    "Euler A": wrong(current_timestep),
    "DDPM": wrong(ddpm),
    "Real": wrong(no_floor, end_at_zero=True),
    "LCM": wrong(lcm, end_at_zero=True),
    "1 - gamma": wrong(swapped),
}


FAST = list(itertools.product([1, 4], [0.0, 0.3, 1.0]))
SLOW = [
    *itertools.product([2, 8], [0.0, 0.3, 1.0]),
    *itertools.product([1, 2, 4, 8], [0.05, 0.5, 0.95]),
    *[(20, 0.05), (20, 0.95), (50, 0.3)],
]


@pytest.mark.parametrize(("n", "gamma"), [*FAST, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)])
def test_samples_follow_the_data(n, gamma):
    assert measure(ours, n, gamma) <= LIMIT


@pytest.mark.parametrize("n", [4, 8])
@pytest.mark.parametrize("variant", VARIANTS)
def test_wrong_variants_fail(variant, n):
    """Checks gamma 0.3. The module docstring states the power for this margin."""
    assert measure(VARIANTS[variant], n, 0.3) > LIMIT + MARGIN
