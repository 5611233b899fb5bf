"""The same seed gives the same image: in batches, with every noise source, and beside other draws of noise."""

import numpy
import pytest

from .compare import SAME, difference
from .selection import long, needs

VARIATION = {"subseed": 5, "subseed_strength": 0.3}


def test_the_same_job_again(jobs):
    assert difference(jobs.txt2img(), jobs.txt2img()) == 0
    assert difference(jobs.txt2img(), jobs.txt2img(seed=8)) > 10 * SAME


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        pytest.param("GPU", {}, id="gpu"),
        pytest.param("CPU", {}, id="cpu", marks=long),
        pytest.param("NV", {}, id="nv", marks=long),
        pytest.param("GPU", VARIATION, id="gpu variation", marks=long),
        pytest.param("CPU", VARIATION, id="cpu variation", marks=long),
        pytest.param("NV", VARIATION, id="nv variation"),
    ],
)
def test_an_image_of_a_batch_equals_the_single_image(jobs, source, fields):
    overrides = {"randn_source": source, "return_grid": False}
    fields = {**fields, "override_settings": overrides, "steps": 3}
    # with variations, the variation seed counts up instead of the seed
    counted = "subseed" if fields.get("subseed_strength") else "seed"
    batch = jobs.txt2img(0.5, batch_size=3, **fields)
    for k, image in enumerate(batch.pixels):
        single = jobs.txt2img(0.5, **{**fields, counted: fields.get(counted, 7) + k})
        assert numpy.abs(image - single.pixels[0]).max() <= SAME, k


@long
def test_batch_count_continues_the_seeds(jobs):
    two = jobs.txt2img(n_iter=2, override_settings={"return_grid": False})
    assert difference(jobs.txt2img(seed=8), type(two)(two.images[1:], {}, None)) <= SAME


STEPS = 5


def draws(jobs, sampler, **fields):
    """Returns the noise that a job draws from its images' seeds: for the start, and for all steps but the last."""
    return jobs.txt2img(record=True, steps=STEPS, sampler_name=sampler, **fields).record["noise"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="", marks=long),
        pytest.param({"batch_size": 2}, id="batch", marks=long),
        pytest.param({"override_settings": {"eta_noise_seed_delta": 31337}}, id="ensd", marks=long),
        pytest.param({"override_settings": {"randn_source": "NV", "eta_noise_seed_delta": 31337}}, id="nv ensd"),
        pytest.param({"override_settings": {"randn_source": "CPU"}}, id="cpu", marks=long),
        pytest.param(VARIATION, id="variation", marks=long),
        pytest.param({"seed_resize_from_w": 64, "seed_resize_from_h": 64}, id="resize"),
    ],
)
def test_step_noise_equals_that_of_euler_a(jobs, webui, fields):
    needs("seed_resize_from_w" not in fields or webui.resizes_noise_apart, "noise of its own for seed resize")
    theirs = draws(jobs, "Euler a", **fields)
    needs(len(theirs) >= STEPS, "step noise from the images' seeds in its Euler a")
    assert numpy.array_equal(draws(jobs, "TCD", **fields)[1 - STEPS :], theirs[1 - STEPS :])


@long
def test_the_seed_delta_is_recorded_if_it_has_an_effect(jobs):
    overrides = {"eta_noise_seed_delta": 31337}
    plain = jobs.txt2img()
    with_delta = jobs.txt2img(0.3, override_settings=overrides)
    assert "ENSD: 31337" in with_delta.infotext
    assert difference(plain, with_delta) > 10 * SAME
    assert "ENSD: 31337" in jobs.txt2img(0.3, eta=0, override_settings=overrides).infotext
    without_noise = jobs.txt2img(0, override_settings=overrides)
    assert "ENSD" not in without_noise.infotext
    assert "ENSD" not in jobs.txt2img(0, eta=0.5, override_settings=overrides).infotext
    assert "ENSD: 31337" in jobs.txt2img(sampler_name="Euler a", override_settings=overrides).infotext
    assert difference(jobs.txt2img(0), without_noise) == 0


@pytest.mark.parametrize("source", ["GPU", pytest.param("NV", marks=long)])
def test_noise_drawn_by_other_extensions_changes_nothing(jobs, source):
    overrides = {"randn_source": source}
    assert (
        difference(jobs.txt2img(override_settings=overrides), jobs.txt2img(override_settings=overrides, actions="draw"))
        == 0
    )


@pytest.mark.parametrize("action", ["interrupt", pytest.param("skip", marks=long)])
def test_an_interrupted_job_changes_nothing(jobs, action):
    before = jobs.txt2img(steps=6)
    interrupted = jobs.txt2img(steps=6, actions=action)
    [preview], [whole] = interrupted.images, before.images
    # some hosts return a small preview
    assert preview.size != whole.size or difference(before, interrupted) > 10 * SAME
    assert difference(before, jobs.txt2img(steps=6)) == 0


def test_parallel_jobs_keep_their_gammas(jobs):
    from concurrent.futures import ThreadPoolExecutor

    gammas = [0.1, 0.9, 0.1, 0.9]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(jobs.txt2img, gammas))
    alone = {gamma: jobs.txt2img(gamma) for gamma in set(gammas)}
    for gamma, result in zip(gammas, together):
        assert f"TCD gamma: {gamma}" in result.infotext
        assert difference(result, alone[gamma]) == 0
