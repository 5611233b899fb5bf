"""Presets are checked, and the user's own are kept whole."""

import json

import pytest

from tcd_sampler import messages
from tcd_sampler.loras.catalogue import CATALOGUE
from tcd_sampler.presets import BUILT_IN, Preset, Presets

from ..support.messages import refused


@pytest.fixture
def presets(tmp_path):
    return Presets(tmp_path / "presets.json")


MINE = Preset("mine", steps=6, cfg_scale=1.5, gamma=0.45, lora="my-lora", weight=0.8)


@pytest.mark.parametrize("preset", BUILT_IN, ids=lambda preset: preset.name)
def test_the_built_in_ones_are_what_their_loras_are_made_for(preset):
    [recommended] = {file.recommended for file in CATALOGUE.for_tcd if file.recommended.method == preset.lora}
    assert recommended.steps[0] <= preset.steps <= recommended.steps[1]
    assert recommended.cfg_scale[0] <= preset.cfg_scale <= recommended.cfg_scale[1]
    assert preset.gamma == recommended.gamma
    assert (preset.sampler, preset.schedule, preset.weight) == ("TCD", "Automatic", 1)


def test_there_is_one_for_every_method_for_tcd():
    assert {preset.lora for preset in BUILT_IN} == {file.recommended.method for file in CATALOGUE.for_tcd}


def test_those_for_img2img_are_listed_there_alone(presets):
    names = {preset.name for preset in presets.list(img2img=True)} - {
        preset.name for preset in presets.list(img2img=False)
    }
    assert names == {"TCD inpainting, 8 steps"}


def test_those_for_img2img_are_found_there_alone(presets):
    assert presets.find("TCD inpainting, 8 steps").denoising_strength == 0.99
    with refused(messages.PRESET_FOR_IMG2IMG, preset="'TCD inpainting, 8 steps'"):
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
    names = "; ".join([*(preset.name for preset in BUILT_IN), "other"])
    with refused(messages.UNKNOWN_PRESET, names=names, value="'mine'"):
        presets.delete("mine")


def test_built_in_ones_stay(presets):
    with refused(messages.SAVE_BUILT_IN, preset="'TCD, 4 steps'"):
        presets.save(Preset("TCD, 4 steps"))
    with refused(messages.DELETE_BUILT_IN, preset="'TCD, 4 steps'"):
        presets.delete("TCD, 4 steps")
    assert not presets.file.exists()


@pytest.mark.parametrize(("field", "value"), [("name", ""), ("name", None), ("sampler", 3), ("lora", 3)])
def test_what_must_be_text(field, value):
    with refused(messages.PRESET_TEXT, field=field, value=repr(value)):
        Preset(**{"name": "x", field: value})


@pytest.mark.parametrize(
    ("field", "value", "low", "high"),
    [
        ("steps", 0, 1, 150),
        ("steps", "4", 1, 150),
        ("steps", True, 1, 150),
        ("steps", 4.5, 1, 150),
        ("cfg_scale", 0.5, 1, 30),
        ("denoising_strength", 2, 0, 1),
        ("gamma", 1.1, 0, 1),
        ("weight", None, -10, 10),
        ("weight", float("nan"), -10, 10),
    ],
)
def test_what_must_be_a_number(field, value, low, high):
    template = messages.PRESET_WHOLE_NUMBER if field == "steps" else messages.PRESET_NUMBER
    with refused(template, preset="'x'", field=field, low=low, high=high, value=repr(value)):
        Preset(**{"name": "x", field: value})


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("", None),
        ("{", None),
        ("{}", messages.NOT_A_LIST),
        ("[1]", messages.PRESET_FIELDS),
        ('[{"steps": 4}]', messages.PRESET_FIELDS),
        ('[{"name": "x", "step": 4}]', messages.PRESET_FIELDS),
        ('[{"name": 3}]', messages.PRESET_TEXT),
    ],
)
def test_a_file_that_cannot_be_read_is_said_and_left(presets, text, template):
    presets.file.write_text(text, encoding="utf-8")
    for use in (presets.read_own, presets.list, lambda: presets.save(MINE), lambda: presets.delete("mine")):
        with refused(messages.CANNOT_READ_PRESETS, file="presets.json") as error:
            use()
        reason = error.value.__cause__
        said = error.value.message.values["reason"]
        assert said == str(reason) if template is None else (said, said.template) == (reason.message, template)
    assert presets.file.read_text(encoding="utf-8") == text
    assert presets.find("TCD, 4 steps").steps == 4  # the built-in ones are there all the same


def test_a_file_from_an_editor_on_windows(presets):
    """It marks the encoding, and ends lines with two characters."""
    presets.file.write_bytes('\ufeff[\r\n{"name": "mine",\r\n"steps": 3}]\r\n'.encode())
    assert presets.find("mine").steps == 3


def test_a_name_that_cannot_be_written(presets, tmp_path):
    presets.save(MINE)
    with refused(messages.CANNOT_WRITE, file="presets.json") as error:
        presets.save(Preset("half \ud83d a sign"))
    assert "surrogates not allowed" in error.value.message.values["reason"]
    assert presets.read_own() == [MINE]
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_a_file_that_cannot_be_written_stays(presets, monkeypatch, tmp_path):
    presets.save(MINE)
    before = presets.file.read_text(encoding="utf-8")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with refused(messages.CANNOT_WRITE, file="presets.json", reason="No space left on device"):
        presets.save(Preset("other"))
    assert presets.file.read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_what_is_as_usual_is_not_written(presets):
    presets.save(Preset("mine", steps=6))
    assert json.loads(presets.file.read_text(encoding="utf-8")) == [{"name": "mine", "steps": 6}]
