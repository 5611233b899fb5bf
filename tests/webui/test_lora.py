"""LoRAs with TCD: weights, several LoRAs, CFG 1, and how WebUIs load files that are not in kohya's format."""

import functools

import pytest

from . import loras
from .compare import SAME, assert_half_the_batch_entries, difference
from .jobs import DEFAULTS
from .selection import long, needs

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
"""LoRAs by name. All but the second have the same weights, or some of them."""


@pytest.fixture(scope="module")
def checkpoint(webui):
    """A checkpoint whose sizes fit a LoRA."""
    return "small-sd15" if webui.is_configured else webui.model


@pytest.fixture(scope="module")
def overrides(checkpoint):
    return {"sd_model_checkpoint": f"{checkpoint}.safetensors"}


@pytest.fixture(scope="module")
def folder(webui, lora_folder, checkpoint):
    """The WebUI's LoRA folder with the files in it."""
    for name, fields in FILES.items():
        loras.write(lora_folder / f"{name}.safetensors", **{"family": loras.CHECKPOINTS[checkpoint], **fields})
    webui.refresh_loras()
    return lora_folder


def ask_for(*names, weight=1):
    return DEFAULTS["prompt"] + "".join(f" <lora:{name}:{weight}>" for name in names)


@pytest.fixture(scope="module")
def generate(jobs, folder, overrides):
    """Generates with LoRAs."""

    def generate(*names, weight=1):
        return jobs.txt2img(prompt=ask_for(*names, weight=weight), override_settings=overrides, **CHEAP)

    return generate


@pytest.fixture(scope="module")
def generate_once(generate):
    """Generates with LoRAs once, and then returns the same result."""
    return functools.cache(generate)


def test_files_are_listed(webui, folder):
    listed = {lora["name"]: lora["path"] for lora in webui.get("/sdapi/v1/loras")}
    assert listed == {name: str(folder / f"{name}.safetensors") for name in FILES}


def test_the_weight_has_an_effect(generate, generate_once):
    plain, one, half = generate_once(), generate_once("one"), generate_once("one", weight=0.5)
    assert min(difference(plain, one), difference(plain, half), difference(one, half)) > OTHER
    assert difference(plain, generate("one", weight=0)) == 0
    assert difference(plain, generate()) == 0


@long
def test_alpha_scales_the_lora(generate, generate_once):
    assert difference(generate_once("one", weight=0.5), generate("half")) <= SAME


def test_two_loras_at_once(generate, generate_once):
    both = generate_once("one", "two")
    assert min(difference(both, generate_once("one")), difference(both, generate_once("two"))) > OTHER
    assert difference(both, generate("two", "one")) <= SAME


@pytest.mark.parametrize("setting", [None, pytest.param("lora_functional", marks=long)])
def test_cfg_1_evaluates_only_the_prompt(webui, run_both, folder, overrides, setting):
    """With the setting, LoRAs are computed beside their layers instead of added to the weights."""
    needs(setting is None or webui.component(f"setting_{setting}"), f"setting {setting}")
    overrides = {**overrides, **({setting: True} if setting else {})}
    assert_half_the_batch_entries(*run_both(prompt=ask_for("one", "two"), overrides=overrides, **CHEAP))


@pytest.mark.parametrize("format", ["peft", pytest.param("dotted", marks=long), pytest.param("diffusers", marks=long)])
def test_a_file_in_another_format_is_not_fully_loaded(generate, generate_once, format):
    """Some WebUIs load nothing, others a part: attention of diffusers' first format, all but that of other formats."""
    part = generate_once("attention" if format == "diffusers" else "rest")
    result = generate(format)
    assert min(difference(result, generate_once()), difference(result, part)) <= SAME
    assert difference(result, generate_once("one")) > OTHER


@long
def test_an_unknown_lora(generate, generate_once):
    """Some WebUIs then load no LoRA at all."""
    assert difference(generate_once(), generate("nothing")) == 0
    others = generate("nothing", "one")
    assert 0 in (difference(others, generate_once()), difference(others, generate_once("one")))
    assert difference(generate_once("one"), generate("one")) == 0


@long
@pytest.mark.parametrize("family", ["SD 2.1", "SDXL"])
def test_a_file_for_another_family_leaves_nothing_behind(jobs, generate, generate_once, overrides, family):
    """Some WebUIs refuse the job, others load the layers that fit."""
    plain = generate_once()
    status, body = jobs.post("txt2img", prompt=ask_for(family), override_settings=overrides, **CHEAP)
    assert status == 200 or "shapes cannot be multiplied" in str(body)
    assert difference(plain, generate()) == 0
