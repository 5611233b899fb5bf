import re
from pathlib import Path

import pytest
import torch

from tcd_sampler.lab import messages
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.model import GuidedDenoiser
from tcd_sampler.lab.demo.samplers import SAMPLERS, get_uniform
from tcd_sampler.lab.evaluation.claims import CLAIMS, Verdict
from tcd_sampler.lab.evaluation.classifier import FEATURES as WIDTH
from tcd_sampler.lab.evaluation.classifier import IGNORED, LABELS, NOTHING, get_accuracy, get_labels
from tcd_sampler.lab.evaluation.estimates import DISTANCE, Estimates
from tcd_sampler.lab.evaluation.images import draw_real, generate_images, get_captions
from tcd_sampler.lab.evaluation.measure import get_missing, measure_all
from tcd_sampler.lab.evaluation.methods import DEFAULT, ENCODED, METHODS, UNET_CALLS
from tcd_sampler.lab.evaluation.results import (
    ACCURACY,
    BITS,
    CONTRAST,
    FEATURES,
    PRECISION,
    RECALL,
    REFERENCE,
    Results,
    read_results,
)
from tcd_sampler.lab.evaluation.table import write, write_difference, write_interval
from tcd_sampler.lab.evaluation.variants import VARIANTS
from tcd_sampler.lab.miniature.scenes import Look, Scene
from tests.support.messages import refused
from tests.unit.tables import TABLE

ROOT = Path(__file__).parents[2]
DISTINCT = [method for method in METHODS if method.name == DEFAULT or method.sampler is not SAMPLERS["TCD"]]
SCENE = Scene((("left", Look("box", "green", "dotted")),), "sand", "night")


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


@pytest.mark.parametrize("method", DISTINCT, ids=lambda method: method.name)
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


def test_the_variant_to_noise_level_0_differs_from_tcd_only_at_the_end():
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
        assert distance > (0.001 if "noise level 0" in variant.name else 0.03), variant.name


@pytest.fixture
def results(tmp_path):
    """Random results of every point, in a file."""
    torch.manual_seed(0)
    results = Results(tmp_path / "results.safetensors")
    for name, unet_calls, missing in list(get_missing(results)):
        quantities = {FEATURES: torch.randn(2 * 16 if name == REFERENCE else 16, WIDTH)}
        if missing == RECALL:
            quantities = {PRECISION: torch.rand(2), RECALL: torch.rand(2)}
        elif name != REFERENCE:
            quantities |= {quantity: torch.rand(16) for quantity in (ACCURACY, CONTRAST, BITS)}
        results.add(name, unet_calls, quantities)
    return results


def test_real_images_differ_between_repeats():
    scenes = get_captions(2)
    [first], [again], [other] = draw_real(scenes), draw_real(scenes), draw_real(scenes, repeat=1)
    assert first.shape == (2, 3, 128, 128)
    assert (first == again).all()
    assert (first != other).any()


def test_results_are_saved_and_not_measured_again(results):
    assert list(get_missing(results)) == []
    saved = read_results(results.path)
    assert saved.captions == 16
    assert saved.tensors.keys() == results.tensors.keys()
    del saved.tensors["LCM|4|features"], saved.tensors["LCM|4|recall"], saved.tensors["reference|0|features"]
    assert list(get_missing(saved)) == [(REFERENCE, 0, FEATURES), ("LCM", 4, FEATURES), ("LCM", 4, RECALL)]


def test_a_file_that_has_no_results(tmp_path):
    assert read_results(tmp_path / "none.safetensors").tensors == {}
    path = tmp_path / "other.safetensors"
    for content in (b"junk", b""):
        path.write_bytes(content)
        with refused(messages.CANNOT_READ_RESULTS, file=path):
            read_results(path)
    Results(path, {"weight": torch.zeros(1)}).add("LCM", 4, {})
    with refused(messages.CANNOT_READ_RESULTS, file=path):
        read_results(path)


def test_results_with_another_number_of_captions(results):
    with refused(messages.OTHER_NUMBER_OF_IMAGES, count=16, file=results.path, value=256):
        measure_all(results, 256)


def test_the_command_plots_stored_results(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tcd_sampler.lab.evaluation.command.MIN_IMAGES", 16)
    monkeypatch.setattr("tcd_sampler.lab.evaluation.bootstrap.RESAMPLES", 10)
    output = tmp_path / "drawn.png"
    assert main(["evaluate", "--results", str(results.path), "--output", str(output), "--images", "16"]) == 0
    assert output.stat().st_size > 10_000
    printed = capsys.readouterr().out
    estimate = Estimates(results).get("LCM", 1, ACCURACY)
    assert re.search(rf"^LCM +{estimate.value:.3f} ±{estimate.error:.3f}", printed, re.MULTILINE)
    for claim in CLAIMS:
        assert claim.text in printed
    assert str(output) in printed


def test_the_bundled_results_are_whole_and_support_the_title_of_the_figure():
    results = read_results(ROOT / "docs" / "evaluation.safetensors")
    assert list(get_missing(results)) == []
    assert results.captions == 256
    estimates = Estimates(results)
    for claim in CLAIMS:
        if claim.text.startswith("Closer to real images") and claim.point[1] >= 4:
            assert claim.judge(claim.get_difference(estimates)) is Verdict.SUPPORTED, claim


def test_the_page_has_the_bundled_results():
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    estimates = Estimates(read_results(ROOT / "docs" / "evaluation.safetensors"))
    for method in METHODS:
        cells = [write(estimates, (method.name, calls), DISTANCE) for calls in UNET_CALLS]
        assert f"| {' | '.join([method.name, *cells])} |" in page
    for claim in CLAIMS:
        difference = claim.get_difference(estimates)
        compared = f"{claim.quantity}: {write_difference(claim)}"
        row = [claim.text, compared, write_interval(difference), claim.judge(difference).value]
        assert f"| {' | '.join(row)} |" in page


def test_the_command_measures_what_is_missing(trained, tmp_path, monkeypatch):
    """Measures every method, with few images and 2 UNet calls only."""
    for method in METHODS:
        monkeypatch.setitem(vars(method), "unet_calls", (2,))
    for name, value in (("REPEATS", 2), ("SAME_CAPTION", 8), ("DIVERSE", [("LCM", 2), (ENCODED, 0)])):
        monkeypatch.setattr(f"tcd_sampler.lab.evaluation.measure.{name}", value)
    monkeypatch.setattr("tcd_sampler.lab.demo.miniature.CHECKPOINT", trained.checkpoint)
    monkeypatch.setattr("tcd_sampler.lab.demo.miniature.LORAS", trained.loras)
    monkeypatch.setattr("tcd_sampler.lab.evaluation.classifier.CLASSIFIER", trained.output / "classifier.safetensors")
    results = Results(tmp_path / "results.safetensors")
    measure_all(results, 16)
    assert list(get_missing(results)) == []
    assert read_results(results.path).tensors.keys() == results.tensors.keys()
    assert len(results.get(REFERENCE, 0, FEATURES)) == 32
    for name in ("LCM", "TCD, gamma 0", "DPM++ 2S"):
        assert results.get(name, 2, FEATURES).shape == (16, WIDTH)
        assert Estimates(results).get(name, 2, DISTANCE).value > 0
    for quantity in (PRECISION, RECALL, ACCURACY):
        values = results.get("LCM", 2, quantity)
        assert len(values) == 16
        assert ((values >= 0) & (values <= 1)).all()
