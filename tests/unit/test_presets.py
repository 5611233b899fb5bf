"""Presets are validated, and the user's presets are saved without loss."""

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
def test_built_in_presets_match_the_recommended_settings(preset):
    [recommended] = {file.recommended for file in CATALOGUE.for_tcd if file.recommended.method == preset.lora}
    assert recommended.steps[0] <= preset.steps <= recommended.steps[1]
    assert recommended.cfg_scale[0] <= preset.cfg_scale <= recommended.cfg_scale[1]
    assert preset.gamma == recommended.gamma
    assert (preset.sampler, preset.schedule, preset.weight) == ("TCD", "Automatic", 1)


def test_every_method_for_tcd_has_a_preset():
    assert {preset.lora for preset in BUILT_IN} == {file.recommended.method for file in CATALOGUE.for_tcd}


def test_img2img_presets_are_listed_only_in_img2img(presets):
    names = {preset.name for preset in presets.list(img2img=True)} - {
        preset.name for preset in presets.list(img2img=False)
    }
    assert names == {"TCD inpainting, 8 steps"}


def test_img2img_presets_are_found_only_in_img2img(presets):
    assert presets.find("TCD inpainting, 8 steps").denoising_strength == 0.99
    with refused(messages.PRESET_FOR_IMG2IMG, preset="'TCD inpainting, 8 steps'"):
        presets.find("TCD inpainting, 8 steps", img2img=False)


def test_own_presets_are_saved(presets, tmp_path):
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


def test_built_in_presets_cannot_be_changed(presets):
    with refused(messages.SAVE_BUILT_IN, preset="'TCD, 4 steps'"):
        presets.save(Preset("TCD, 4 steps"))
    with refused(messages.DELETE_BUILT_IN, preset="'TCD, 4 steps'"):
        presets.delete("TCD, 4 steps")
    assert not presets.file.exists()


@pytest.mark.parametrize(("field", "value"), [("name", ""), ("name", None), ("sampler", 3), ("lora", 3)])
def test_text_fields_must_be_text(field, value):
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
def test_number_fields_must_be_in_range(field, value, low, high):
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
def test_an_unreadable_file_is_reported_and_kept(presets, text, template):
    presets.file.write_text(text, encoding="utf-8")
    for use in (presets.read_own, presets.list, lambda: presets.save(MINE), lambda: presets.delete("mine")):
        with refused(messages.CANNOT_READ_PRESETS, file="presets.json") as error:
            use()
        reason = error.value.__cause__
        said = error.value.message.values["reason"]
        assert said == str(reason) if template is None else (said, said.template) == (reason.message, template)
    assert presets.file.read_text(encoding="utf-8") == text
    assert presets.find("TCD, 4 steps").steps == 4  # the built-in presets still work


def test_a_file_from_an_editor_on_windows(presets):
    """The file has a byte order mark and CRLF line endings."""
    presets.file.write_bytes('\ufeff[\r\n{"name": "mine",\r\n"steps": 3}]\r\n'.encode())
    assert presets.find("mine").steps == 3


def test_a_name_that_cannot_be_written(presets, tmp_path):
    presets.save(MINE)
    with refused(messages.CANNOT_WRITE, file="presets.json") as error:
        presets.save(Preset("half \ud83d a sign"))
    assert "surrogates not allowed" in error.value.message.values["reason"]
    assert presets.read_own() == [MINE]
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_a_failed_write_keeps_the_file(presets, monkeypatch, tmp_path):
    presets.save(MINE)
    before = presets.file.read_text(encoding="utf-8")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with refused(messages.CANNOT_WRITE, file="presets.json", reason="No space left on device"):
        presets.save(Preset("other"))
    assert presets.file.read_text(encoding="utf-8") == before
    assert [path.name for path in tmp_path.iterdir()] == ["presets.json"]


def test_default_values_are_not_written(presets):
    presets.save(Preset("mine", steps=6))
    assert json.loads(presets.file.read_text(encoding="utf-8")) == [{"name": "mine", "steps": 6}]
