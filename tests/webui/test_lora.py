"""LoRAs with TCD: by weight, stacked, at CFG 1; and what a WebUI makes of files that are not in kohya's format."""

import functools

import pytest

from . import loras
from .compare import SAME, assert_half_the_rows, difference
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
"""LoRAs by name; all but the second have the same weights, or some of them."""


@pytest.fixture(scope="module")
def checkpoint(webui):
    """One that has the sizes of a LoRA."""
    return "small-sd15" if webui.is_configured else webui.model


@pytest.fixture(scope="module")
def overrides(checkpoint):
    return {"sd_model_checkpoint": f"{checkpoint}.safetensors"}


@pytest.fixture(scope="module")
def folder(webui, lora_folder, checkpoint):
    """The WebUI's own, with the files in it."""
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
    """What was generated with LoRAs the first time."""
    return functools.cache(generate)


def test_files_are_listed(webui, folder):
    listed = {lora["name"]: lora["path"] for lora in webui.get("/sdapi/v1/loras")}
    assert listed == {name: str(folder / f"{name}.safetensors") for name in FILES}


def test_the_weight_counts(generate, generate_once):
    plain, one, half = generate_once(), generate_once("one"), generate_once("one", weight=0.5)
    assert min(difference(plain, one), difference(plain, half), difference(one, half)) > OTHER
    assert difference(plain, generate("one", weight=0)) == 0
    assert difference(plain, generate()) == 0


@long
def test_alpha_is_a_weight_too(generate, generate_once):
    assert difference(generate_once("one", weight=0.5), generate("half")) <= SAME


def test_two_at_once(generate, generate_once):
    both = generate_once("one", "two")
    assert min(difference(both, generate_once("one")), difference(both, generate_once("two"))) > OTHER
    assert difference(both, generate("two", "one")) <= SAME


@pytest.mark.parametrize("setting", [None, pytest.param("lora_functional", marks=long)])
def test_cfg_1_evaluates_the_prompt_alone(webui, run_both, folder, overrides, setting):
    """The setting has a layer's LoRA computed beside it, and not added to its weights."""
    needs(setting is None or webui.component(f"setting_{setting}"), f"setting {setting}")
    overrides = {**overrides, **({setting: True} if setting else {})}
    assert_half_the_rows(*run_both(prompt=ask_for("one", "two"), overrides=overrides, **CHEAP))


@pytest.mark.parametrize("format", ["peft", pytest.param("dotted", marks=long), pytest.param("diffusers", marks=long)])
def test_a_file_in_another_format_is_not_loaded_whole(generate, generate_once, format):
    """Some WebUIs load nothing of it, some a part: attention of diffusers' first format, of the others all but that."""
    part = generate_once("attention" if format == "diffusers" else "rest")
    result = generate(format)
    assert min(difference(result, generate_once()), difference(result, part)) <= SAME
    assert difference(result, generate_once("one")) > OTHER


@long
def test_a_name_that_is_not_there(generate, generate_once):
    """Some WebUIs then load no LoRA at all."""
    assert difference(generate_once(), generate("nothing")) == 0
    others = generate("nothing", "one")
    assert 0 in (difference(others, generate_once()), difference(others, generate_once("one")))
    assert difference(generate_once("one"), generate("one")) == 0


@long
@pytest.mark.parametrize("family", ["SD 2.1", "SDXL"])
def test_a_file_for_another_family_leaves_nothing_behind(jobs, generate, generate_once, overrides, family):
    """Some WebUIs refuse the job, some load what fits."""
    plain = generate_once()
    status, body = jobs.post("txt2img", prompt=ask_for(family), override_settings=overrides, **CHEAP)
    assert status == 200 or "shapes cannot be multiplied" in str(body)
    assert difference(plain, generate()) == 0
