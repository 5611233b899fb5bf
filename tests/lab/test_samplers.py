"""Compares the demo's samplers and denoiser with k-diffusion's, on a smooth stand-in for a UNet."""

from functools import partial

import pytest
import torch

from tcd_sampler.lab import benchmark
from tcd_sampler.lab.demo.samplers import DPM_2M, EULER_A, LCM, get_karras, get_uniform
from tcd_sampler.lab.denoiser import EPSILON, V_PREDICTION, DiscreteDenoiser
from tcd_sampler.lab.evaluation.measure import DPM_2S
from tcd_sampler.lab.parity import get_network
from tests.unit.tables import ALPHAS_CUMPROD, TABLE

STEPS = [1, 2, 3, 4, 8, 15, 20, 50]
SHAPE = (2, 4, 8, 8)


@pytest.fixture
def denoiser():
    return DiscreteDenoiser(get_network(ALPHAS_CUMPROD), ALPHAS_CUMPROD)


@pytest.fixture(params=[EPSILON, V_PREDICTION])
def denoisers(request, k_diffusion):
    """The lab's denoiser and k-diffusion's."""
    kinds = k_diffusion.external
    kind = {EPSILON: kinds.DiscreteEpsDDPMDenoiser, V_PREDICTION: kinds.DiscreteVDDPMDenoiser}[request.param]
    network = get_network(ALPHAS_CUMPROD)
    return DiscreteDenoiser(network, ALPHAS_CUMPROD, request.param), kind(network, ALPHAS_CUMPROD, quantize=False)


def draw(generator):
    return torch.randn(SHAPE, generator=generator)


def distance(ours, theirs):
    """Returns the largest difference, relative to the latents' standard deviation."""
    return float((ours - theirs).abs().max() / theirs.std())


@pytest.mark.parametrize(
    "sigma", [float(TABLE[0]) / 2, float(TABLE[0]), 0.5, float(TABLE[500]), 7.3, float(TABLE[-1]), 30.0]
)
def test_the_denoiser_matches_k_diffusion(denoisers, sigma):
    ours, theirs = denoisers
    sigma = torch.tensor([sigma, 1.0])
    x = draw(torch.Generator().manual_seed(0)) * sigma.reshape(-1, 1, 1, 1)
    torch.testing.assert_close(ours.find_timesteps(sigma), theirs.sigma_to_t(sigma), rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(ours(x, sigma), theirs(x, sigma), rtol=1e-5, atol=1e-5)
    assert torch.equal(ours.sigmas, theirs.sigmas)


def test_each_level_of_the_table_maps_to_its_timestep(denoiser):
    assert torch.equal(denoiser.find_timesteps(TABLE), torch.arange(1000.0))


@pytest.mark.parametrize("n", STEPS)
def test_schedules_match_k_diffusion(k_diffusion, n):
    theirs = k_diffusion.sampling.get_sigmas_karras(n, float(TABLE[0]), float(TABLE[-1]))
    torch.testing.assert_close(get_karras(n, TABLE), theirs)
    schedule = k_diffusion.external.DiscreteSchedule(TABLE, quantize=False)
    torch.testing.assert_close(get_uniform(n, TABLE), schedule.get_sigmas(n))


@pytest.mark.parametrize("tail", [1.0, 0.5])
@pytest.mark.parametrize("n", STEPS)
@pytest.mark.parametrize(
    ("sampler", "name", "options"),
    [
        (EULER_A, "sample_euler_ancestral", {}),
        (DPM_2M, "sample_dpmpp_2m", None),
        (DPM_2S, "sample_dpmpp_2s_ancestral", {"eta": 0.0}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_samplers_match_k_diffusion(k_diffusion, denoiser, sampler, name, options, n, tail):
    """Checks the whole schedule, and only its last part, as in img2img."""
    sigmas = sampler.get_sigmas(n, TABLE)[-1 - max(int(n * tail), 1) :]
    generators = [torch.Generator().manual_seed(n) for _ in range(2)]
    x, _ = [draw(generator) * (1 + sigmas[0] ** 2).sqrt() for generator in generators]
    sample = partial(getattr(k_diffusion.sampling, name), denoiser, x, sigmas, disable=True)
    theirs = sample() if options is None else sample(noise_sampler=lambda *_: draw(generators[1]), **options)
    assert distance(sampler.sample(denoiser, x, sigmas, generators[0]), theirs) < 1e-5


@pytest.mark.parametrize("n", STEPS)
def test_lcm_steps_are_denoised_plus_noise(denoiser, n):
    sigmas = LCM.get_sigmas(n, TABLE)
    generators = [torch.Generator().manual_seed(n) for _ in range(2)]
    x, theirs = [draw(generator) * sigmas[0] for generator in generators]
    for sigma, sigma_next in zip(sigmas, sigmas[1:]):
        theirs = denoiser(theirs, sigma.expand(2))
        if sigma_next > 0:
            theirs = theirs + sigma_next * draw(generators[1])
    assert torch.equal(LCM.sample(denoiser, x, sigmas, generators[0]), theirs)


def test_the_benchmarks_euler_a_matches_k_diffusion(k_diffusion, denoiser):
    sigmas = get_uniform(8, TABLE)
    x, noise = draw(torch.Generator().manual_seed(0)) * sigmas[0], draw(torch.Generator().manual_seed(1))
    options = {"disable": True, "noise_sampler": lambda *_: noise}
    theirs = k_diffusion.sampling.sample_euler_ancestral(denoiser, x, sigmas, **options)
    assert torch.equal(benchmark.sample_euler_ancestral(denoiser, x, sigmas, **options), theirs)


def test_the_callback_gets_every_step(denoiser):
    for sampler in (EULER_A, DPM_2M, LCM):
        sigmas, seen = sampler.get_sigmas(3, TABLE), []
        sampler.sample(denoiser, torch.ones(SHAPE), sigmas, torch.Generator(), callback=seen.append)
        assert [step["i"] for step in seen] == [0, 1, 2]
        assert [step["sigma"] for step in seen] == list(sigmas[:-1])
