"""Replays recorded jobs of a real WebUI through diffusers' TCDScheduler and compares the latents."""

import diffusers
import numpy
import pytest
import torch

from .compare import LIMIT, distance
from .reference import replay
from .selection import long, needs


def get_timesteps(steps):
    """Returns diffusers' timesteps."""
    scheduler = diffusers.TCDScheduler()
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.tolist()


@pytest.mark.parametrize("gamma", [pytest.param(0, marks=long), 0.3, pytest.param(0.75, marks=long), 1])
@pytest.mark.parametrize(("steps", "cfg_scale"), [(1, 1), (4, 1), (8, 2), pytest.param(50, 1, marks=long)])
def test_txt2img(jobs, steps, cfg_scale, gamma):
    record = jobs.txt2img(gamma, record=True, steps=steps, cfg_scale=cfg_scale).record
    distances, timesteps = replay(record, gamma)
    assert timesteps == get_timesteps(steps)
    assert max(distances) <= LIMIT


def test_the_checkpoint_that_every_webui_accepts(jobs):
    """Uses the one checkpoint that every WebUI accepts."""
    overrides = {"sd_model_checkpoint": "small-sd15.safetensors"}
    record = jobs.txt2img(0.3, record=True, override_settings=overrides).record
    distances, timesteps = replay(record, 0.3)
    assert timesteps == [999, 759, 499, 259]
    assert max(distances) <= LIMIT


def test_a_v_prediction_checkpoint(jobs, webui):
    needs(webui.has_v_prediction, "v-prediction in a checkpoint this small")
    overrides = {"sd_model_checkpoint": f"{webui.model}-v.safetensors"}
    record = jobs.txt2img(0.3, record=True, steps=8, override_settings=overrides).record
    zero_snr = webui.model == "large-sdxl"
    # a WebUI with a zero terminal SNR rounds alpha_bar to float32: the lowest noise level is off by 5e-5
    limit = 5 * LIMIT if zero_snr else LIMIT
    assert max(replay(record, 0.3, zero_snr=zero_snr)[0]) <= limit


def test_another_schedule(jobs, webui):
    """Simple's noise levels are in the table, so the reference can use its timesteps."""
    needs(webui.has_schedules, "list of schedules")
    needs("Simple" in webui.schedules, "schedule Simple")
    needs(not webui.rescales_simple, "schedule Simple with the noise levels of the table")
    record = jobs.txt2img(0.3, record=True, steps=8, scheduler="Simple").record
    distances, timesteps = replay(record, 0.3)
    assert timesteps == [999, 874, 749, 624, 499, 374, 249, 124]
    assert max(distances) <= LIMIT


def test_the_hosts_setting_for_initial_noise(jobs):
    """The host's setting gives the same initial latents as TCD, and does not scale them a second time."""
    plain = jobs.txt2img(0.3, record=True).record
    theirs = jobs.txt2img(0.3, record=True, override_settings={"sgm_noise_multiplier": True}).record
    assert distance(torch.from_numpy(theirs["x"]), torch.from_numpy(plain["x"])) < 1e-6
    assert max(replay(theirs, 0.3)[0]) <= LIMIT


def start_of(record):
    """Returns the initial latents of an img2img job, because the image that the host noised is not recorded."""
    return torch.from_numpy(record["x"][0]) / (1 + torch.from_numpy(record["sigma"][0]) ** 2).sqrt()


@pytest.mark.parametrize("gamma", [pytest.param(0, marks=long), 0.3, pytest.param(1, marks=long)])
def test_img2img(jobs, webui, gamma):
    record = jobs.img2img(gamma, record=True, steps=8, denoising_strength=0.5).record
    distances, timesteps = replay(record, gamma, start_of(record))
    if webui.can_fix_steps:
        assert timesteps == [639, 499, 379, 259, 139]  # the host's count: int(0.5 * 8) + 1
    else:
        assert timesteps == get_timesteps(16)[8:]  # the host runs all requested steps
    assert max(distances) <= LIMIT


def test_both_passes_of_hires_fix_with_their_own_gamma(jobs):
    record = jobs.txt2img(0.2, 0.8, record=True, enable_hr=True, hr_scale=1, denoising_strength=0.5).record
    first, second = split(record, 4)
    assert max(replay(first, 0.2)[0]) <= LIMIT
    assert max(replay(second, 0.8, start_of(second))[0]) <= LIMIT


def split(record, steps):
    """Returns the two passes of a recorded hires job. They have the same size, and so the same number of noises."""
    noises = len(record["noise"]) // 2
    first = {key: record[key][:steps] for key in ("x", "sigma", "denoised")}
    second = {key: record[key][steps:] for key in ("x", "sigma", "denoised")}
    return {**first, "noise": record["noise"][:noises]}, {**second, "noise": record["noise"][noises:]}


def test_gamma_changes_the_image(jobs):
    """The tests above would all pass if nothing depended on gamma."""
    one, other = (jobs.txt2img(gamma, record=True).record for gamma in (0.2, 0.8))
    assert distance(torch.from_numpy(one["x"][-1]), torch.from_numpy(other["x"][-1])) > 0.05
    assert max(replay(one, 0.8)[0]) > 100 * LIMIT


@long
def test_recorded_noise_is_real(jobs):
    record = jobs.txt2img(0.3, record=True, steps=8).record
    assert numpy.abs(record["noise"].mean()) < 0.1
    assert record["noise"].std() == pytest.approx(1, abs=0.1)
