"""Presets are checked, and the user's own are kept whole."""

import json

import pytest

from tcd_sampler.loras.catalogue import CATALOGUE
from tcd_sampler.presets import BUILT_IN, Preset, Presets


@pytest.fixture
def presets(tmp_path):
    return Presets(tmp_path / "presets.json")


MINE = Preset("mine", steps=6, cfg_scale=1.5, gamma=0.45, lora="my-lora", weight=0.8)


@pytest.mark.parametrize("preset", BUILT_IN, ids=lambda preset: preset.name)
def test_the_built_in_ones_are_what_their_loras_are_made_for(preset):
    [use] = {file.use for file in CATALOGUE.for_tcd if file.use.line == preset.lora}
    assert use.steps[0] <= preset.steps <= use.steps[1]
    assert use.cfg_scale[0] <= preset.cfg_scale <= use.cfg_scale[1]
    assert preset.gamma == use.gamma
    assert (preset.sampler, preset.schedule, preset.weight) == ("TCD", "Automatic", 1)


def test_there_is_one_for_every_line_of_loras_for_tcd():
    assert {preset.lora for preset in BUILT_IN} == {file.use.line for file in CATALOGUE.for_tcd}


def test_those_for_img2img_are_listed_there_alone(presets):
    names = {preset.name for preset in presets.list(img2img=True)} - {r.name for r in presets.list(img2img=False)}
    assert names == {"TCD inpainting, 8 steps"}


def test_those_for_img2img_are_found_there_alone(presets):
    assert presets.find("TCD inpainting, 8 steps").denoising_strength == 0.99
    with pytest.raises(ValueError, match=r"^TCD preset 'TCD inpainting, 8 steps' is for img2img\.$"):
        presets.find("TCD inpainting, 8 steps", img2img=False)


def test_own_ones_are_kept(presets, tmp_path):
    presets.save(MINE)
    presets.save(Preset("中文", steps=1))
    assert Presets(presets.file).list()[-2:] == [MINE, Preset("中文", steps=1)]
    assert presets.find("mine") == MINE
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_saving_again_replaces_in_place(presets):
    presets.save(MINE)
    presets.save(Preset("other"))
    presets.save(Preset("mine", steps=2))
    assert presets.read_own() == [Preset("mine", steps=2), Preset("other")]


def test_deleting(presets):
    presets.save(MINE)
    presets.save(Preset("other"))
    presets.delete("mine")
    assert presets.read_own() == [Preset("other")]
    with pytest.raises(ValueError, match=r"^TCD preset must be one of: TCD, 4 steps; .*; other; not 'mine'\.$"):
        presets.delete("mine")


def test_built_in_ones_stay(presets):
    sentence = "TCD preset 'TCD, 4 steps' is built in: it can only be "
    with pytest.raises(ValueError, match=f"{sentence}saved under another name"):
        presets.save(Preset("TCD, 4 steps"))
    with pytest.raises(ValueError, match=f"{sentence}left as it is"):
        presets.delete("TCD, 4 steps")
    assert not presets.file.exists()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "A TCD preset's name must be a text, not ''."),
        ("name", None, "A TCD preset's name must be a text, not None."),
        ("sampler", 3, "A TCD preset's sampler must be a text, not 3."),
        ("steps", 0, "The steps of the TCD preset 'x' must be a whole number from 1 to 150, not 0."),
        ("steps", "4", "The steps of the TCD preset 'x' must be a whole number from 1 to 150, not '4'."),
        ("steps", True, "The steps of the TCD preset 'x' must be a whole number from 1 to 150, not True."),
        ("steps", 4.5, "The steps of the TCD preset 'x' must be a whole number from 1 to 150, not 4.5."),
        ("cfg_scale", 0.5, "The cfg_scale of the TCD preset 'x' must be a number from 1 to 30, not 0.5."),
        ("gamma", 1.1, "The gamma of the TCD preset 'x' must be a number from 0 to 1, not 1.1."),
        ("denoising_strength", 2, "The denoising_strength of the TCD preset 'x' must be a number from 0 to 1, not 2."),
        ("weight", None, "The weight of the TCD preset 'x' must be a number from -10 to 10, not None."),
        ("weight", float("nan"), "The weight of the TCD preset 'x' must be a number from -10 to 10, not nan."),
        ("lora", 3, "A TCD preset's lora must be a text, not 3."),
    ],
)
def test_what_cannot_be_a_preset(field, value, sentence):
    with pytest.raises(ValueError) as error:
        Preset(**{"name": "x", field: value})
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[1]", '[{"steps": 4}]', '[{"name": "x", "step": 4}]', '[{"name": 3}]']
)
def test_a_file_that_cannot_be_read_is_said_and_left(presets, text):
    presets.file.write_text(text)
    for use in (presets.read_own, presets.list, lambda: presets.save(MINE), lambda: presets.delete("mine")):
        with pytest.raises(ValueError, match=r"presets\.json cannot be read \(.*\)\. Fix or remove the file\."):
            use()
    assert presets.file.read_text() == text
    assert presets.find("TCD, 4 steps").steps == 4  # the built-in ones are there all the same


def test_a_file_from_an_editor_that_marks_its_encoding(presets):
    presets.file.write_text('[{"name": "mine", "steps": 3}]', encoding="utf-8-sig")
    assert presets.find("mine").steps == 3


def test_a_name_that_cannot_be_written(presets, tmp_path):
    presets.save(MINE)
    with pytest.raises(ValueError, match=r"presets\.json cannot be written \(.*surrogates not allowed"):
        presets.save(Preset("half \ud83d a sign"))
    assert presets.read_own() == [MINE]
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_a_file_that_cannot_be_written_stays(presets, monkeypatch, tmp_path):
    presets.save(MINE)
    before = presets.file.read_text()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(ValueError, match=r"presets\.json cannot be written \(.*No space left on device\)\."):
        presets.save(Preset("other"))
    assert presets.file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_what_is_as_usual_is_not_written(presets):
    presets.save(Preset("mine", steps=6))
    assert json.loads(presets.file.read_text()) == [{"name": "mine", "steps": 6}]
