"""sample_tcd against diffusers' TCDScheduler: every latent, on the same start and step noise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcd_sampler import get_sigmas_tcd
from tcd_sampler.lab.denoiser import PREDICTION_TYPES, DiscreteDenoiser
from tcd_sampler.lab.parity import (
    GAMMAS,
    LIMITS,
    STEPS,
    Reference,
    get_network,
    measure,
    relative_distance,
    sample,
    single_thread,
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with single_thread():
        yield


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize(
    ("steps", "gammas"),
    [([1, 2, 4, 7, 50], [0.0, 0.3, 1.0]), pytest.param(STEPS, GAMMAS, marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_every_latent_equals_the_reference(steps, gammas, prediction_type, dtype):
    for n in steps:
        for gamma in gammas:
            assert measure(n, gamma, prediction_type, dtype) <= LIMITS[dtype], (n, gamma)


@settings(max_examples=100)
@given(
    timesteps=st.lists(st.integers(0, 999), min_size=1, max_size=12, unique=True).map(
        lambda t: sorted(t, reverse=True)
    ),
    gamma=st.one_of(st.floats(0, 1), st.integers(0, 100).map(lambda g: g / 100)),
    prediction_type=st.sampled_from(PREDICTION_TYPES),
)
def test_any_schedule_of_whole_timesteps_equals_the_reference(timesteps, gamma, prediction_type):
    reference = Reference(prediction_type, torch.float64)
    alphas_cumprod = reference.scheduler.alphas_cumprod
    network = get_network(alphas_cumprod)
    denoiser = DiscreteDenoiser(network, alphas_cumprod, prediction_type)
    x, *noises = torch.randn(
        len(timesteps) + 1, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    sigmas = torch.cat([denoiser.sigmas[timesteps], torch.zeros(1, dtype=torch.float64)])
    ours = sample(denoiser, x, iter(noises), gamma, sigmas)
    theirs = reference.sample(network, x, iter(noises), gamma, timesteps=timesteps)
    assert relative_distance(ours, theirs) <= 1e-10


def test_the_image_to_image_tail_equals_the_reference():
    """The WebUIs take the last steps of a longer schedule; diffusers takes them as custom timesteps."""
    reference = Reference("epsilon", torch.float64)
    alphas_cumprod = reference.scheduler.alphas_cumprod
    network = get_network(alphas_cumprod)
    denoiser = DiscreteDenoiser(network, alphas_cumprod)
    x, *noises = torch.randn(4, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = sample(denoiser, x, iter(noises), 0.3, get_sigmas_tcd(8, denoiser.sigmas)[-5:])
    theirs = reference.sample(network, x, iter(noises), 0.3, timesteps=[499, 379, 259, 139])
    assert relative_distance(ours, theirs) <= 1e-10
