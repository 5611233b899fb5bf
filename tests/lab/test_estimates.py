import math

import numpy
import pytest
import scipy.linalg
import torch

from tcd_sampler.lab.evaluation import bootstrap
from tcd_sampler.lab.evaluation.bootstrap import Estimate, draw_weights, estimate_mean
from tcd_sampler.lab.evaluation.claims import Expected, Verdict, judge
from tcd_sampler.lab.evaluation.detail import get_fine_contrast, get_jpeg_bits
from tcd_sampler.lab.evaluation.diversity import get_precision_and_recall
from tcd_sampler.lab.evaluation.estimates import DISTANCE, Estimates
from tcd_sampler.lab.evaluation.frechet import get_frechet_distance, get_moments
from tcd_sampler.lab.evaluation.methods import REAL
from tcd_sampler.lab.evaluation.results import ACCURACY, FEATURES, REFERENCE, Results


def get_distance(a, b):
    return float(get_frechet_distance(*(get_moments(features, torch.ones(len(features))) for features in (a, b))))


def test_the_frechet_distance_is_its_formula():
    torch.manual_seed(0)
    a, b = torch.randn(500, 6) @ torch.randn(6, 6) + 1, torch.randn(400, 6)
    c, d = numpy.cov(a.double().numpy().T), numpy.cov(b.double().numpy().T)
    means = a.double().mean(0) - b.double().mean(0)
    expected = float(means @ means) + numpy.trace(c + d - 2 * scipy.linalg.sqrtm(c @ d).real)
    assert get_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert get_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_moments_count_an_image_as_often_as_its_weight():
    torch.manual_seed(0)
    features, weights = torch.randn(20, 3), torch.randint(4, (2, 20))
    moments = get_moments(features, weights)
    for i in range(2):
        repeated = features.repeat_interleave(weights[i], 0).double()
        torch.testing.assert_close(moments.mean[i], repeated.mean(0))
        torch.testing.assert_close(moments.covariance[i], torch.cov(repeated.T))
    torch.testing.assert_close(moments.root @ moments.root, moments.covariance)


def make_results(tmp_path, generated, real, accuracy=None):
    results = Results(tmp_path / "results.safetensors")
    results.add(REFERENCE, 0, {FEATURES: real})
    results.add(REAL, 0, {ACCURACY: torch.ones(len(generated))})
    results.add("LCM", 4, {FEATURES: generated, ACCURACY: torch.ones(len(generated)) if accuracy is None else accuracy})
    return Estimates(results)


def test_the_errors_match_those_of_repeated_draws(tmp_path, monkeypatch):
    """Captions determine half of the images' variance, and both sets have the same captions."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)
    torch.manual_seed(0)
    estimates = []
    for _ in range(40):
        captions = torch.randn(300, 6)
        generated, real = captions + torch.randn(300, 6) + 0.5, captions.repeat(4, 1) + torch.randn(1200, 6)
        estimates.append(make_results(tmp_path, generated, real, generated[:, 0] > 0))
    for quantity in (DISTANCE, ACCURACY):
        found = [one.get("LCM", 4, quantity) for one in estimates]
        spread = numpy.std([one.value for one in found])
        assert numpy.mean([one.error for one in found]) == pytest.approx(spread, rel=0.3), quantity
        centers = [sum(one.interval) / 2 for one in found]
        assert numpy.mean(centers) == pytest.approx(numpy.mean([one.value for one in found]), abs=spread)


def test_the_first_weights_are_all_captions_and_the_others_resamples():
    weights = draw_weights(50)
    assert weights.shape == (1001, 50)
    assert (weights[0] == 1).all()
    assert (weights.sum(1) == 50).all()
    assert len(weights.unique(dim=0)) == 1001
    assert (draw_weights(50) == weights).all()


def test_the_difference_of_methods_that_share_their_captions_has_a_smaller_error():
    torch.manual_seed(0)
    captions = torch.randn(200)
    a, b = estimate_mean(captions + 1), estimate_mean(captions + 0.01 * torch.randn(200))
    assert (a - b).value == pytest.approx(1, abs=0.01)
    assert (a - b).error < a.error / 10
    low, high = (a - b).interval
    assert low < (a - b).value < high


def test_the_interval_reverses_the_bias_of_resamples():
    """Resamples that are 0.5 too high say that the value is 0.5 too high as well."""
    low, high = Estimate(torch.cat([torch.tensor([2.0]), torch.linspace(2.4, 2.6, 1000)])).interval
    assert low == pytest.approx(1.405, abs=1e-3)
    assert high == pytest.approx(1.595, abs=1e-3)


@pytest.mark.parametrize(
    ("expected", "interval", "verdict"),
    [
        (Expected.LESS, (-3, -1), Verdict.SUPPORTED),
        (Expected.LESS, (1, 3), Verdict.CONTRADICTED),
        (Expected.LESS, (-0.5, 0.4), Verdict.UNDECIDED),
        (Expected.LESS, (0.1, 0.4), Verdict.CONTRADICTED),
        (Expected.LESS, (-3, 0.5), Verdict.UNDECIDED),
        (Expected.MORE, (1, 3), Verdict.SUPPORTED),
        (Expected.MORE, (-3, -1), Verdict.CONTRADICTED),
        (Expected.MORE, (-0.5, 3), Verdict.UNDECIDED),
        (Expected.NOT_MORE, (-3, 0.9), Verdict.SUPPORTED),
        (Expected.NOT_MORE, (0.5, 1.1), Verdict.UNDECIDED),
        (Expected.NOT_MORE, (1.1, 2), Verdict.CONTRADICTED),
        (Expected.NOT_LESS, (-0.9, 3), Verdict.SUPPORTED),
        (Expected.NOT_LESS, (-2, -1.1), Verdict.CONTRADICTED),
        (Expected.DIFFERENT, (0.1, 3), Verdict.SUPPORTED),
        (Expected.DIFFERENT, (-3, -0.1), Verdict.SUPPORTED),
        (Expected.DIFFERENT, (-0.1, 0.2), Verdict.UNDECIDED),
        (Expected.DIFFERENT, (-2, 0.2), Verdict.UNDECIDED),
    ],
)
def test_a_claim_is_judged_by_its_interval(expected, interval, verdict):
    assert judge(expected, interval, margin=1.0) is verdict


def make_waves(frequency, contrast):
    """Returns an image (1, 3, 64, 64) with waves of this frequency in cycles per pixel, and contrast in levels."""
    levels = contrast * math.sqrt(2) * torch.sin(2 * math.pi * frequency * torch.arange(64.0) + 0.3)
    return (levels / 127.5).expand(1, 3, 64, 64)


@pytest.mark.parametrize(("frequency", "expected"), [(1 / 16, 0), (3 / 16, 0), (5 / 16, 10), (7 / 16, 10)])
def test_fine_contrast_is_that_of_high_frequencies(frequency, expected):
    assert get_fine_contrast(make_waves(frequency, 10)).item() == pytest.approx(expected, abs=1e-3)


def test_the_size_of_a_jpeg_grows_with_detail():
    torch.manual_seed(0)
    flat, waves, noise = torch.zeros(1, 3, 64, 64), make_waves(1 / 16, 20), torch.rand(1, 3, 64, 64) * 2 - 1
    bits = get_jpeg_bits(torch.cat([flat, waves, noise]))
    assert bits[0] < bits[1] < bits[2]
    assert bits[2] > 8


def test_precision_and_recall():
    """The generated images show half of what the real ones show, and half of them show something else."""
    torch.manual_seed(0)
    one, two, three = (torch.randn(100, 4) + center for center in (0, 50, 100))
    precision, recall = get_precision_and_recall(torch.cat([one, three]), torch.cat([one + 0.01, two]))
    assert precision == pytest.approx(0.5)
    assert recall == pytest.approx(0.5)
    precision, recall = get_precision_and_recall(one[:1].repeat(100, 1) + 0.001 * torch.randn(100, 4), one)
    assert precision == 1
    assert recall < 0.1
