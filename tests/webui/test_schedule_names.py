"""Names, labels and aliases of schedules mean the same on every host and in both passes, whatever their case."""

import pytest

from .compare import SAME, difference
from .selection import long, needs

SMALL = {"width": 64, "height": 64, "steps": 4}
HIRES = {
    "enable_hr": True,
    "hr_scale": 2,
    "denoising_strength": 0.6,
    "hr_second_pass_steps": 4,
}


@pytest.fixture
def run(jobs, webui):
    needs(webui.has_schedules, "list of schedules")
    return lambda **fields: jobs.txt2img(0.3, **{**SMALL, **fields})


def comments(result):
    return result.info["extra_generation_params"]["comments"]


@pytest.mark.parametrize("name", ["automatic", "AUTOMATIC", "tcd", "Tcd", ""])
def test_names_of_tcds_own_schedule(run, name):
    result = run(scheduler=name)
    assert difference(result, run()) == 0
    assert "Schedule type: TCD" in result.infotext


@pytest.mark.parametrize("name", ["karras", "KARRAS", pytest.param("Karras", marks=long)])
def test_names_of_another_schedule(run, name):
    result = run(scheduler=name)
    assert difference(result, run(scheduler="Karras")) == 0
    assert "Schedule type: Karras" in result.infotext
    assert difference(result, run()) > 5 * SAME


def test_an_unknown_schedule(run):
    result = run(scheduler="nonsense")
    assert difference(result, run()) == 0
    assert "Schedule type: TCD" in result.infotext
    assert "'nonsense'" in comments(result)


@pytest.mark.parametrize("name", ["Use same scheduler", "use same scheduler", "automatic", "Automatic", "tcd"])
def test_names_of_the_default_hires_schedule(run, name):
    """Some hosts write the requested name into the infotext although it is the first pass's schedule."""
    result = run(hr_scheduler=name, **HIRES)
    assert difference(result, run(**HIRES)) <= SAME
    assert "Hires schedule type" not in result.infotext.replace("Hires schedule type: TCD,", "")


def test_the_hires_pass_uses_the_first_passs_schedule(run):
    result = run(scheduler="karras", hr_scheduler="Use same scheduler", **HIRES)
    assert difference(result, run(scheduler="Karras", hr_scheduler="Karras", **HIRES)) <= SAME
    assert difference(result, run(scheduler="Karras", hr_scheduler="Automatic", **HIRES)) > 5 * SAME


def test_an_unknown_schedule_for_the_hires_pass(run):
    result = run(hr_scheduler="nonsense", **HIRES)
    assert difference(result, run(**HIRES)) <= SAME
    assert "'nonsense'" in comments(result)


def test_hires_schedules_after_a_first_pass_with_another_sampler(run, webui):
    fields = {"sampler_name": "Euler a", "hr_sampler_name": "TCD", **HIRES}
    result = run(hr_scheduler="Use same scheduler", **fields)
    assert difference(result, run(**fields)) <= SAME
    assert f"{webui.hires_key} schedule type: TCD" in result.infotext
    other = run(scheduler="Simple", hr_scheduler="karras", **fields)
    assert f"{webui.hires_key} schedule type: Karras" in other.infotext


def test_use_same_sampler(run):
    """Requests may use the page's name for it."""
    assert difference(run(hr_sampler_name="Use same sampler", **HIRES), run(**HIRES)) <= SAME


@pytest.mark.parametrize("name", ["KARRAS", "automatic", "tcd"])
def test_names_in_the_setting_for_all_samplers(jobs, webui, name):
    """WebUIs without a list of schedules have a setting for all samplers."""
    needs(not webui.has_schedules, "setting in place of a list of schedules")
    labels = {"KARRAS": "karras", "automatic": "Automatic", "tcd": "TCD"}
    one, other = (jobs.txt2img(0.3, override_settings={"k_sched_type": n}, **SMALL) for n in (name, labels[name]))
    assert difference(one, other) == 0
    assert "has no schedule type" not in comments(one)
