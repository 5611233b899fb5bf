"""LoRAs with TCD: by weight, stacked, at CFG 1; and what a WebUI makes of files that are not in kohya's format."""

import functools

import pytest

from . import loras
from .compare import SAME, assert_half_the_rows, difference
from .jobs import DEFAULTS
from .selection import long, needs

OVERRIDES = {"sd_model_checkpoint": "small-sd15.safetensors"}
CHEAP = {"width": 64, "height": 64, "steps": 2}
OTHER = 5 * SAME
FILES = {
    "one": {},
    "two": {"seed": 1},
    "attention": {"layers": loras.ATTENTION},
    "rest": {"layers": f"^(?!.*{loras.ATTENTION})"},
    "half": {"alpha": 2},
    **{format: {"format": format} for format in ("peft", "dotted", "diffusers")},
    **{family: {"family": family} for family in ("SD 2.1", "SDXL")},
}
"""LoRAs by name; all but the second have the same weights, or some of them."""


@pytest.fixture(scope="module")
def folder(webui, lora_folder):
    """The WebUI's own, with the files in it."""
    for name, fields in FILES.items():
        loras.write(lora_folder / f"{name}.safetensors", **fields)
    webui.refresh_loras()
    return lora_folder


def ask_for(*names, weight=1):
    return DEFAULTS["prompt"] + "".join(f" <lora:{name}:{weight}>" for name in names)


@pytest.fixture(scope="module")
def paint(jobs, folder):
    """Paints with LoRAs."""

    def paint(*names, weight=1):
        return jobs.txt2img(prompt=ask_for(*names, weight=weight), override_settings=OVERRIDES, **CHEAP)

    return paint


@pytest.fixture(scope="module")
def picture(paint):
    """What was painted with LoRAs the first time."""
    return functools.cache(paint)


def test_files_are_listed(webui, folder):
    listed = {lora["name"]: lora["path"] for lora in webui.get("/sdapi/v1/loras")}
    assert listed == {name: str(folder / f"{name}.safetensors") for name in FILES}


def test_the_weight_counts(paint, picture):
    plain, one, half = picture(), picture("one"), picture("one", weight=0.5)
    assert min(difference(plain, one), difference(plain, half), difference(one, half)) > OTHER
    assert difference(plain, paint("one", weight=0)) == 0
    assert difference(plain, paint()) == 0


@long
def test_alpha_is_a_weight_too(paint, picture):
    assert difference(picture("one", weight=0.5), paint("half")) <= SAME


def test_two_at_once(paint, picture):
    both = picture("one", "two")
    assert min(difference(both, picture("one")), difference(both, picture("two"))) > OTHER
    assert difference(both, paint("two", "one")) <= SAME


@pytest.mark.parametrize("setting", [None, pytest.param("lora_functional", marks=long)])
def test_cfg_1_evaluates_the_prompt_alone(webui, run_both, folder, setting):
    """The setting has a layer's LoRA computed beside it, and not added to its weights."""
    needs(setting is None or webui.component(f"setting_{setting}"), f"setting {setting}")
    overrides = {**OVERRIDES, **({setting: True} if setting else {})}
    assert_half_the_rows(*run_both(prompt=ask_for("one", "two"), overrides=overrides, **CHEAP))


@pytest.mark.parametrize("format", ["peft", pytest.param("dotted", marks=long), pytest.param("diffusers", marks=long)])
def test_a_file_in_another_format_is_not_loaded_whole(paint, picture, format):
    """Some WebUIs load nothing of it, some a part: attention of diffusers' first format, of the others all but that."""
    part = picture("attention" if format == "diffusers" else "rest")
    result = paint(format)
    assert min(difference(result, picture()), difference(result, part)) <= SAME
    assert difference(result, picture("one")) > OTHER


@long
def test_a_name_that_is_not_there(paint, picture):
    """Some WebUIs then load no LoRA at all."""
    assert difference(picture(), paint("nothing")) == 0
    others = paint("nothing", "one")
    assert 0 in (difference(others, picture()), difference(others, picture("one")))
    assert difference(picture("one"), paint("one")) == 0


@long
@pytest.mark.parametrize("family", ["SD 2.1", "SDXL"])
def test_a_file_for_another_family_leaves_nothing_behind(jobs, paint, picture, family):
    """Some WebUIs refuse the job, some load what fits."""
    plain = picture()
    status, body = jobs.post("txt2img", prompt=ask_for(family), override_settings=OVERRIDES, **CHEAP)
    assert status == 200 or "shapes cannot be multiplied" in str(body)
    assert difference(plain, paint()) == 0
