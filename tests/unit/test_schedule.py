"""The schedule: diffusers' timesteps up to 50 steps, and finer timesteps for more."""

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tcd_sampler import get_sigmas_tcd, messages, tcd_timesteps
from tcd_sampler.schedule import check_table, find_table, nearest_timesteps

from ..support.messages import refused
from .tables import TABLE, ZERO_SNR_TABLE


@pytest.mark.parametrize("n", range(1, 51))
def test_timesteps_match_diffusers(n):
    scheduler = diffusers.TCDScheduler()
    scheduler.set_timesteps(n)
    assert torch.equal(tcd_timesteps(n), scheduler.timesteps)
    assert torch.equal(get_sigmas_tcd(n, TABLE)[:-1], TABLE[scheduler.timesteps])


def test_a_schedule_of_zero_steps_contains_only_0():
    assert get_sigmas_tcd(0, TABLE).tolist() == [0]


def test_a_thousand_steps_visit_every_timestep():
    assert tcd_timesteps(1000).tolist() == list(range(999, -1, -1))


def test_51_steps_end_no_higher_than_50_steps():
    assert tcd_timesteps(50)[-1] == 19
    assert 0 <= tcd_timesteps(51)[-1] <= 19


def assert_is_schedule(sigmas, n):
    assert sigmas.shape == (n + 1,)
    assert sigmas.isfinite().all()
    assert (sigmas[1:] < sigmas[:-1]).all()
    assert sigmas[-1] == 0


@pytest.mark.parametrize(
    ("table", "gap"), [(TABLE, 1), (TABLE.double(), 10), (ZERO_SNR_TABLE, 10)], ids=["float32", "float64", "zero-snr"]
)
def test_the_levels_are_strictly_decreasing(table, gap):
    for n in [*range(1, 60), *range(60, 1100, gap), *range(1100, 15000, 100 * gap), 15000]:
        assert_is_schedule(get_sigmas_tcd(n, table), n)


@given(st.integers(1, 15000))
def test_any_number_of_steps_starts_at_the_highest_level(n):
    sigmas = get_sigmas_tcd(n, TABLE)
    assert_is_schedule(sigmas, n)
    assert sigmas[0] == TABLE[-1]


def test_fractions_of_timesteps_are_interpolated_as_k_diffusion_does(k_diffusion):
    schedule = k_diffusion.external.DiscreteSchedule(TABLE, quantize=False)
    torch.testing.assert_close(get_sigmas_tcd(2000, TABLE)[:-1], schedule.t_to_sigma(tcd_timesteps(2000)))


def test_an_infinite_level_becomes_4518():
    """The last level of a zero-terminal-SNR table is infinite. 4518 replaces it, as in the WebUIs."""
    assert ZERO_SNR_TABLE[-1].isinf()
    assert get_sigmas_tcd(4, ZERO_SNR_TABLE)[0] == 4518


def test_half_precision_tables_give_single_precision_schedules():
    assert get_sigmas_tcd(4, TABLE.half()).dtype == torch.float32


def test_the_schedule_is_on_the_given_device():
    assert get_sigmas_tcd(4, TABLE, device="meta").device.type == "meta"


def test_a_negative_number_of_steps_is_refused():
    with refused(messages.BAD_STEPS, value=-1):
        tcd_timesteps(-1)


@pytest.mark.parametrize(
    "table",
    [
        TABLE[:-1],
        TABLE.flip(0),
        torch.linspace(0.001, 1, 1000),
        torch.linspace(0.001, 1, 10000),
        TABLE.clone().fill_(float("nan")),
        TABLE.reshape(10, 100),
    ],
    ids=["999 levels", "descending", "flow", "flow of 10000", "nan", "matrix"],
)
def test_other_families_are_refused(table):
    with refused(messages.NOT_A_DIFFUSION_MODEL):
        get_sigmas_tcd(4, table)


def test_a_model_without_a_noise_table_is_refused():
    with refused(messages.NO_NOISE_TABLE):
        find_table(torch.nn.Identity())


@given(st.floats(float(TABLE[0]) / 2, float(TABLE[-1]) * 2))
def test_the_nearest_timestep_is_nearest(sigma):
    log_distance = (check_table(TABLE).double().log() - torch.tensor(sigma, dtype=torch.float64).log()).abs()
    t = nearest_timesteps(torch.tensor([sigma], dtype=torch.float64), TABLE.double())
    assert log_distance[t] == pytest.approx(float(log_distance.min()), abs=1e-12)


def test_each_level_of_the_table_maps_to_its_timestep():
    assert torch.equal(nearest_timesteps(TABLE, TABLE), torch.arange(1000))
