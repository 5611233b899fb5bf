"""sample_tcd as a k-diffusion sampler: signature, callback, noise, other schedules, errors."""

import inspect
import itertools
import math

import pytest
import torch

from tcd_sampler import get_sigmas_tcd, messages, sample_tcd
from tcd_sampler.lab.demo.samplers import get_karras
from tcd_sampler.lab.denoiser import V_PREDICTION, DiscreteDenoiser
from tcd_sampler.lab.parity import get_network
from tcd_sampler.sampling import get_tcd_steps

from ..support.messages import refused
from .tables import ALPHAS_CUMPROD, TABLE, ZERO_SNR_TABLE

SCHEDULES = {
    "karras": get_karras(8, TABLE),
    "exponential": torch.cat([torch.linspace(float(TABLE[-1].log()), float(TABLE[0].log()), 8).exp(), torch.zeros(1)]),
    "below the table": get_karras(8, torch.tensor([0.005, 30.0])),
    "align your steps": torch.tensor([14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029, 0]),
}


class Guidance(torch.nn.Module):
    """Stands in for the guidance wrapper that WebUIs put around a denoiser."""

    def __init__(self, denoiser):
        super().__init__()
        self.inner_model = denoiser

    def forward(self, x, sigma, cond_scale):
        return self.inner_model(x, sigma) * cond_scale


@pytest.fixture
def denoiser():
    return DiscreteDenoiser(get_network(ALPHAS_CUMPROD), ALPHAS_CUMPROD)


@pytest.fixture
def start():
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * float(TABLE[-1])


def test_the_signature_matches_k_diffusion(k_diffusion):
    ours, theirs = inspect.signature(sample_tcd), inspect.signature(k_diffusion.sampling.sample_euler_ancestral)
    common = ["model", "x", "sigmas", "extra_args", "callback", "disable", "noise_sampler"]
    assert [*ours.parameters] == [*common, "gamma"]
    for name in common:
        assert ours.parameters[name].default == theirs.parameters[name].default
    assert ours.parameters["gamma"].default == 0.3


def test_k_diffusions_denoisers_work(k_diffusion, denoiser, start):
    theirs = k_diffusion.external.DiscreteEpsDDPMDenoiser(get_network(ALPHAS_CUMPROD), ALPHAS_CUMPROD, quantize=False)
    expected, latents = ([], [])
    for model, seen in ((denoiser, expected), (theirs, latents)):
        torch.manual_seed(0)
        sample_tcd(model, start, get_sigmas_tcd(8, model.sigmas), callback=seen.append, disable=True)
    for a, b in zip(latents, expected, strict=True):
        torch.testing.assert_close(a["denoised"], b["denoised"], rtol=1e-5, atol=1e-5)


def test_the_callback_gets_the_same_values_as_in_k_diffusion(denoiser, start):
    sigmas, seen = get_sigmas_tcd(4, TABLE), []
    sample_tcd(denoiser, start, sigmas, callback=seen.append, disable=True)
    assert [step["i"] for step in seen] == [0, 1, 2, 3]
    assert all(set(step) == {"x", "i", "sigma", "sigma_hat", "denoised"} for step in seen)
    assert [step["sigma"] for step in seen] == [step["sigma_hat"] for step in seen] == list(sigmas[:-1])


def test_a_guidance_wrapper_gets_the_same_arguments_every_step(denoiser, start):
    """This matters because the WebUI's refiner changes the dict during a job."""
    extra_args, seen = {"cond_scale": 1.0}, []
    guidance = Guidance(denoiser)
    guidance.register_forward_pre_hook(lambda *args: seen.append(args[2]), with_kwargs=True)
    guided = sample_tcd(guidance, start, get_sigmas_tcd(4, TABLE), extra_args, disable=True, gamma=0.0)
    assert torch.equal(guided, sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True, gamma=0.0))
    assert seen == [extra_args] * 4


def test_the_initial_latents_are_not_modified(denoiser, start):
    before = start.clone()
    sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True)
    assert torch.equal(start, before)


def test_noise_is_drawn_at_every_step_but_the_last(denoiser, start):
    sigmas, asked = get_sigmas_tcd(4, TABLE), []

    def noise_sampler(sigma, sigma_next):
        asked.append((sigma, sigma_next))
        return torch.zeros_like(start)

    sample_tcd(denoiser, start, sigmas, disable=True, noise_sampler=noise_sampler)
    assert asked == list(zip(sigmas[:-2], sigmas[1:-1]))
    asked.clear()
    sample_tcd(denoiser, start, sigmas, disable=True, noise_sampler=noise_sampler, gamma=0.0)
    assert asked == []


def test_the_default_noise_is_torch_randn_like(denoiser, start):
    torch.manual_seed(3)
    ours = sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True)
    torch.manual_seed(3)
    noise_sampler = lambda *_: torch.randn_like(start)  # noqa: E731
    theirs = sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True, noise_sampler=noise_sampler)
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True))


def test_no_gradients_are_kept(denoiser, start):
    start.requires_grad_()
    assert not sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True).requires_grad


def test_zero_steps_return_the_initial_latents(denoiser, start):
    assert sample_tcd(denoiser, start, get_sigmas_tcd(0, TABLE), disable=True) is start


@pytest.mark.parametrize("name", SCHEDULES)
def test_without_noise_any_schedule_matches_euler(k_diffusion, denoiser, start, name):
    """At gamma 0 each step equals DDIM and k-diffusion's Euler, even if the noise levels lie between timesteps."""
    ours, theirs = [], []
    sample_tcd(denoiser, start, SCHEDULES[name], callback=ours.append, disable=True, gamma=0.0)
    k_diffusion.sampling.sample_euler(denoiser, start, SCHEDULES[name], callback=theirs.append, disable=True)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a["x"], b["x"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_splits_its_noise_exactly(name, gamma):
    """The variances of the noise left at s and of the added noise sum to the variance of the next level."""
    sigmas = SCHEDULES[name].double()
    steps = get_tcd_steps(SCHEDULES[name], TABLE, gamma)
    for (sigma, sigma_s, sigma_up), here, after in zip(steps, sigmas, sigmas[1:]):
        assert sigma == here
        end = min(float(TABLE[0]), sigma)  # a schedule that goes below the table ends at its own lowest level
        assert sigma_s**2 + sigma_up**2 == pytest.approx(float(after or end) ** 2)
        assert (sigma_up == 0) == (gamma == 0 or after <= TABLE[:2].prod().sqrt())


@pytest.mark.parametrize(("n", "gamma"), [*itertools.product([1, 4, 50, 51], [0.0, 0.3, 1.0]), (1001, 0.3)])
@pytest.mark.parametrize("table", [TABLE, ZERO_SNR_TABLE.nan_to_num(posinf=4518.0)], ids=["", "zero-snr"])
def test_no_nan(table, n, gamma):
    network = get_network(ALPHAS_CUMPROD)
    denoiser = DiscreteDenoiser(network, 1 / (1 + table**2), V_PREDICTION)
    sigmas = get_sigmas_tcd(n, denoiser.sigmas)
    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * sigmas[0]
    final = sample_tcd(denoiser, x, sigmas, disable=True, gamma=gamma)
    assert final.isfinite().all()
    assert final.abs().max() < 100


def test_a_schedule_that_stops_early_ends_at_its_last_level(denoiser, start):
    """Another sampler can then continue from there."""
    latents = []
    sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), callback=latents.append, disable=True, gamma=0.0)
    stopped = sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE)[:3], disable=True, gamma=0.0)
    assert torch.equal(stopped, latents[2]["x"])


@pytest.mark.parametrize("gamma", [-0.1, 1.1, math.nan, math.inf, "0.3", None, [0.3], True])
def test_a_bad_gamma_is_refused_before_anything_runs(start, gamma):
    denoiser = DiscreteDenoiser(lambda *_: pytest.fail("ran"), ALPHAS_CUMPROD)
    with refused(messages.BAD_GAMMA, field="gamma", value=repr(gamma)):
        sample_tcd(denoiser, start, get_sigmas_tcd(4, TABLE), disable=True, gamma=gamma)
