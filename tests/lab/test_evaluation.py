import json
import re

import numpy
import pytest
import scipy.linalg
import torch

from tcd_sampler.lab import messages
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.model import GuidedDenoiser
from tcd_sampler.lab.demo.samplers import SAMPLERS, get_uniform
from tcd_sampler.lab.evaluation.classifier import IGNORED, LABELS, NOTHING, get_accuracy, get_labels
from tcd_sampler.lab.evaluation.frechet import get_error, get_frechet_distance
from tcd_sampler.lab.evaluation.measure import (
    GAMMAS,
    UNET_CALLS,
    Point,
    generate_images,
    get_captions,
    get_methods,
    get_missing,
    get_name,
    read_points,
    write_points,
)
from tcd_sampler.lab.evaluation.table import get_best, print_table
from tcd_sampler.lab.evaluation.variants import VARIANTS
from tcd_sampler.lab.miniature.scenes import Look, Scene
from tests.support.messages import refused
from tests.unit.tables import TABLE

METHODS = [method for method in get_methods() if method.sampler is not SAMPLERS["TCD"] or method.gamma == 0.3]
SCENE = Scene((("left", Look("box", "green", "dotted")),), "sand", "night")


def test_frechet_distance_matches_its_formula():
    torch.manual_seed(0)
    a, b = torch.randn(500, 6) @ torch.randn(6, 6) + 1, torch.randn(400, 6)
    c, d = numpy.cov(a.double().numpy().T), numpy.cov(b.double().numpy().T)
    means = a.double().mean(0) - b.double().mean(0)
    expected = float(means @ means) + numpy.trace(c + d - 2 * scipy.linalg.sqrtm(c @ d).real)
    assert get_frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert get_frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_the_error_matches_that_of_repeated_draws():
    """Captions determine half of the images' variance, and both sets have the same captions."""
    torch.manual_seed(0)
    distances, errors = [], []
    for _ in range(60):
        captions = torch.randn(400, 8)
        generated, real = captions + torch.randn(400, 8) + 0.5, captions.repeat(8, 1) + torch.randn(3200, 8)
        distances.append(get_frechet_distance(generated, real))
        errors.append(get_error(generated, real))
    assert numpy.mean(errors) == pytest.approx(numpy.std(distances), rel=0.3)


def test_labels_and_accuracy():
    answers = get_labels(SCENE)
    assert answers == [1, NOTHING, NOTHING, 3, IGNORED, IGNORED, 2, IGNORED, IGNORED, 1, 2]
    assert len(answers) == len(LABELS)

    def classifier(images):
        """Returns the same labels for all images: a wrong color, and a second thing, which does not count."""
        said = [1, 4, 8, 7, 0, 0, 2, 0, 0, 1, 2]
        return [torch.eye(count)[[answer]] for answer, count in zip(said, LABELS.values())]

    assert get_accuracy(classifier, torch.zeros(1, 3, 128, 128), [SCENE]).tolist() == [pytest.approx(4 / 5)]


def test_captions_are_held_out():
    assert all(look.is_held_out for scene in get_captions(100) for _, look in scene.things)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_method_exceeds_its_unet_calls(method, model, monkeypatch):
    calls = []
    monkeypatch.setattr(GuidedDenoiser, "__call__", lambda self, x, sigma: calls.append(sigma) or x * 0.1)
    for unet_calls in (2, 4):
        calls.clear()
        [images] = generate_images(model, method, get_captions(2), unet_calls)
        assert images.shape == (2, 3, 128, 128)
        assert unet_calls - (method.order - 1) == len(calls)


def get_denoised(x, sigma):
    return x / (1 + sigma[0] ** 2) * torch.cos(x)


get_denoised.sigmas = TABLE


def sample_with(sampler, n=4, **options):
    generator = torch.Generator().manual_seed(1)
    sigmas = sampler.get_sigmas(n, TABLE).double()
    x = torch.randn(1, 4, 8, 8, generator=generator, dtype=torch.float64) * sigmas[0]
    return sampler.sample(get_denoised, x, sigmas, generator, **options)


def test_the_variant_without_timestep_0_differs_from_tcd_only_at_the_end():
    [_, _, variant] = VARIANTS
    tcd = SAMPLERS["TCD"]
    exact = tcd.sample
    ours = sample_with(variant)
    sigmas = get_uniform(4, TABLE)
    assert sigmas[-2] == pytest.approx(TABLE[0])
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 8, 8, generator=generator, dtype=torch.float64) * sigmas[0].double()
    theirs = exact(get_denoised, x, sigmas.double()[:-1], generator)
    theirs = get_denoised(theirs, sigmas[-2:-1].double())
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_variants_differ_from_tcd():
    """Published measurements of their distances to TCD are, in order, a fifth, a tenth and a hundredth."""
    tcd = sample_with(SAMPLERS["TCD"])
    for variant in VARIANTS:
        variant = type(variant)(**{**vars(variant), "get_sigmas": SAMPLERS["TCD"].get_sigmas})
        distance = (sample_with(variant) - tcd).norm() / tcd.norm()
        assert distance > (0.001 if "timestep 0" in variant.name else 0.03), variant.name


def test_points_are_saved_and_not_measured_again(tmp_path):
    points = [Point("LCM", 4, 1.5, 0.1, 0.9, 0.01), Point("real images", 0, 0.1, 0.01, 1.0, 0.0)]
    write_points(tmp_path / "points.json", points)
    assert read_points(tmp_path / "points.json") == points
    assert json.loads((tmp_path / "points.json").read_text(encoding="utf-8"))[0]["method"] == "LCM"
    missing = [(method.name if method else None, n) for method, n in get_missing(points)]
    assert ("LCM", 4) not in missing
    assert (None, 0) not in missing
    assert ("LCM", 8) in missing
    assert ("DPM++ 2S", 1) not in missing  # its steps need two UNet calls each
    assert read_points(tmp_path / "none.json") == []
    (tmp_path / "other.json").write_text('[{"other": 1}]', encoding="utf-8")
    with refused(messages.CANNOT_READ_RESULTS, file=tmp_path / "other.json"):
        read_points(tmp_path / "other.json")


def make_points(distances):
    return [Point(get_name(gamma), 4, distance, 0.5, 0.9, 0.01) for gamma, distance in zip(GAMMAS, distances)]


def test_the_best_gamma_and_those_within_its_error(capsys):
    points = make_points([9.0, 3.5, 3.0, 4.3, 6.0, 7.0, 8.0])
    assert get_best(points, 4) == [0.3, 0.15, 0.45]
    assert get_best(points, 8) == []
    print_table([*points, *(Point(get_name(gamma), 1, 70.0, 0.5, 0.9, 0.01) for gamma in GAMMAS)])
    printed = capsys.readouterr().out
    assert "   4 steps: 0.3, 0.15, 0.45\n" in printed
    assert " 1 steps:" not in printed


@pytest.mark.slow
def test_the_command_plots_the_points_of_a_file(tmp_path, capsys):
    methods = [None, *get_methods()]
    points = [
        Point(method.name if method else "real images", n, 2.0, 0.1, 0.8, 0.01)
        for n in (0, *UNET_CALLS)
        for method in methods
    ]
    write_points(tmp_path / "points.json", points)
    arguments = ["evaluate", "--results", str(tmp_path / "points.json"), "--output", str(tmp_path / "drawn.png")]
    assert main(arguments) == 0
    assert (tmp_path / "drawn.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert re.search(r"^LCM +2.00 ±0.10", printed, re.MULTILINE)
    assert "Drawn in" in printed


def test_the_command_measures_what_is_missing(trained, tmp_path, monkeypatch):
    """Measures every method, with few images and 2 UNet calls only."""
    for name, value in (("UNET_CALLS", (2,)), ("REPEATS", 2), ("BATCH", 8)):
        monkeypatch.setattr(f"tcd_sampler.lab.evaluation.measure.{name}", value)
    monkeypatch.setattr("tcd_sampler.lab.demo.miniature.CHECKPOINT", trained.checkpoint)
    monkeypatch.setattr("tcd_sampler.lab.demo.miniature.LORAS", trained.loras)
    monkeypatch.setattr("tcd_sampler.lab.evaluation.classifier.CLASSIFIER", trained.output / "classifier.safetensors")
    from tcd_sampler.lab.evaluation.measure import measure_all

    points = measure_all(16, tmp_path / "points.json")
    assert [(point.method, point.unet_calls) for point in points] == [
        ("real images", 0),
        *((method.name, 2) for method in get_methods()),
    ]
    assert points == read_points(tmp_path / "points.json")
    assert all(0 <= point.accuracy <= 1 and point.distance > 0 for point in points)
