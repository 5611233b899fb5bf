"""Recipes are checked, and the user's own are kept whole."""

import json

import pytest

from tcd_sampler.loras.catalogue import CATALOGUE
from tcd_sampler.presets import BUILT_IN, Recipe, Recipes


@pytest.fixture
def recipes(tmp_path):
    return Recipes(tmp_path / "recipes.json")


MINE = Recipe("mine", steps=6, cfg_scale=1.5, gamma=0.45, lora="my-lora", weight=0.8)


@pytest.mark.parametrize("recipe", BUILT_IN, ids=lambda recipe: recipe.name)
def test_the_built_in_ones_are_what_their_loras_are_made_for(recipe):
    [use] = {file.use for file in CATALOGUE.for_tcd if file.use.line == recipe.lora}
    assert use.steps[0] <= recipe.steps <= use.steps[1]
    assert use.cfg_scale[0] <= recipe.cfg_scale <= use.cfg_scale[1]
    assert recipe.gamma == use.gamma
    assert (recipe.sampler, recipe.schedule, recipe.weight) == ("TCD", "Automatic", 1)


def test_there_is_one_for_every_line_of_loras_for_tcd():
    assert {recipe.lora for recipe in BUILT_IN} == {file.use.line for file in CATALOGUE.for_tcd}


def test_those_for_img2img_are_listed_there_alone(recipes):
    names = {recipe.name for recipe in recipes.list(img2img=True)} - {r.name for r in recipes.list(img2img=False)}
    assert names == {"TCD inpainting, 8 steps"}


def test_those_for_img2img_are_found_there_alone(recipes):
    assert recipes.find("TCD inpainting, 8 steps").denoising_strength == 0.99
    with pytest.raises(ValueError, match=r"^TCD recipe 'TCD inpainting, 8 steps' is for img2img\.$"):
        recipes.find("TCD inpainting, 8 steps", img2img=False)


def test_own_ones_are_kept(recipes, tmp_path):
    recipes.save(MINE)
    recipes.save(Recipe("中文", steps=1))
    assert Recipes(recipes.file).list()[-2:] == [MINE, Recipe("中文", steps=1)]
    assert recipes.find("mine") == MINE
    assert [path.name for path in tmp_path.iterdir()] == ["recipes.json"]


def test_saving_again_replaces_in_place(recipes):
    recipes.save(MINE)
    recipes.save(Recipe("other"))
    recipes.save(Recipe("mine", steps=2))
    assert recipes.read_own() == [Recipe("mine", steps=2), Recipe("other")]


def test_deleting(recipes):
    recipes.save(MINE)
    recipes.save(Recipe("other"))
    recipes.delete("mine")
    assert recipes.read_own() == [Recipe("other")]
    with pytest.raises(ValueError, match=r"^TCD recipe must be one of: TCD, 4 steps; .*; other; not 'mine'\.$"):
        recipes.delete("mine")


def test_built_in_ones_stay(recipes):
    sentence = "TCD recipe 'TCD, 4 steps' is built in: it can only be "
    with pytest.raises(ValueError, match=f"{sentence}saved under another name"):
        recipes.save(Recipe("TCD, 4 steps"))
    with pytest.raises(ValueError, match=f"{sentence}left as it is"):
        recipes.delete("TCD, 4 steps")
    assert not recipes.file.exists()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "A TCD recipe's name must be a text, not ''."),
        ("name", None, "A TCD recipe's name must be a text, not None."),
        ("sampler", 3, "A TCD recipe's sampler must be a text, not 3."),
        ("steps", 0, "The steps of the TCD recipe 'x' must be a whole number from 1 to 150, not 0."),
        ("steps", "4", "The steps of the TCD recipe 'x' must be a whole number from 1 to 150, not '4'."),
        ("steps", True, "The steps of the TCD recipe 'x' must be a whole number from 1 to 150, not True."),
        ("steps", 4.5, "The steps of the TCD recipe 'x' must be a whole number from 1 to 150, not 4.5."),
        ("cfg_scale", 0.5, "The cfg_scale of the TCD recipe 'x' must be a number from 1 to 30, not 0.5."),
        ("gamma", 1.1, "The gamma of the TCD recipe 'x' must be a number from 0 to 1, not 1.1."),
        ("denoising_strength", 2, "The denoising_strength of the TCD recipe 'x' must be a number from 0 to 1, not 2."),
        ("weight", None, "The weight of the TCD recipe 'x' must be a number from -10 to 10, not None."),
        ("weight", float("nan"), "The weight of the TCD recipe 'x' must be a number from -10 to 10, not nan."),
        ("lora", 3, "A TCD recipe's lora must be a text, not 3."),
    ],
)
def test_what_cannot_be_a_recipe(field, value, sentence):
    with pytest.raises(ValueError) as error:
        Recipe(**{"name": "x", field: value})
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[1]", '[{"steps": 4}]', '[{"name": "x", "step": 4}]', '[{"name": 3}]']
)
def test_a_file_that_cannot_be_read_is_said_and_left(recipes, text):
    recipes.file.write_text(text)
    for use in (recipes.read_own, recipes.list, lambda: recipes.save(MINE), lambda: recipes.delete("mine")):
        with pytest.raises(ValueError, match=r"recipes\.json cannot be read \(.*\)\. Fix or remove the file\."):
            use()
    assert recipes.file.read_text() == text
    assert recipes.find("TCD, 4 steps").steps == 4  # the built-in ones are there all the same


def test_a_file_from_an_editor_that_marks_its_encoding(recipes):
    recipes.file.write_text('[{"name": "mine", "steps": 3}]', encoding="utf-8-sig")
    assert recipes.find("mine").steps == 3


def test_a_name_that_cannot_be_written(recipes, tmp_path):
    recipes.save(MINE)
    with pytest.raises(ValueError, match=r"recipes\.json cannot be written \(.*surrogates not allowed"):
        recipes.save(Recipe("half \ud83d a sign"))
    assert recipes.read_own() == [MINE]
    assert [path.name for path in tmp_path.iterdir()] == ["recipes.json"]


def test_a_file_that_cannot_be_written_stays(recipes, monkeypatch, tmp_path):
    recipes.save(MINE)
    before = recipes.file.read_text()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(ValueError, match=r"recipes\.json cannot be written \(.*No space left on device\)\."):
        recipes.save(Recipe("other"))
    assert recipes.file.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["recipes.json"]


def test_what_is_as_usual_is_not_written(recipes):
    recipes.save(Recipe("mine", steps=6))
    assert json.loads(recipes.file.read_text()) == [{"name": "mine", "steps": 6}]
