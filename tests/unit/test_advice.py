"""Each mistake causes one warning, and a correct job causes none."""

import pytest

from tcd_sampler import messages
from tcd_sampler.advice import ActiveLoRA, Job, count_steps, find_warnings
from tcd_sampler.loras.catalogue import CATALOGUE, CONTENT, NAME, Identity
from tcd_sampler.loras.header import KOHYA, PEFT, SD1, SDXL, LoRA

from ..support.messages import assert_says, said


def file(name, family=SDXL, format=KOHYA, tensors=2364, rank=64):
    return LoRA(name, 1, family, format, rank, tensors, False, {})


def active(name, weight=1, by=CONTENT, **kwargs):
    recommended = CATALOGUE.find_recommended(name)
    return ActiveLoRA(name, weight, file(name, **kwargs), Identity(recommended, by) if recommended else None)


TCD = active("TCD-SDXL-LoRA")
STYLE = active("watercolour", tensors=722 * 3, rank=16)
UNKNOWN_DISTILLATION = active("pytorch_lora_weights")


def warnings(*loras, **changes):
    right = {"steps": 4, "cfg_scale": 1, "schedule": "Automatic", "checkpoint": "base", "family": SDXL}
    return find_warnings(Job(**{**right, "is_distilled": False, "loras": list(loras), **changes}))


@pytest.mark.parametrize(
    "job",
    [
        warnings(TCD),
        warnings(STYLE, TCD),
        warnings(TCD, schedule="TCD"),
        warnings(TCD, cfg_scale=2),
        warnings(STYLE, TCD, cfg_scale=1.7),
        warnings(UNKNOWN_DISTILLATION),
        warnings(is_distilled=True),
        warnings(STYLE, is_distilled=True, cfg_scale=7),
        warnings(TCD, steps=20, schedule="Karras"),
        warnings(TCD, steps=8, strength=0.99),
        warnings(TCD, steps=8, strength=0.5, fixes_steps=True),
        warnings(active("lcm-lora-sdxl"), gamma=1),
        warnings(active("TCD", family=None)),
        warnings(TCD, family=None),
        warnings(ActiveLoRA("in a pickle", 1), TCD),
    ],
)
def test_a_correct_job_has_no_warning(job):
    assert job == []


PRESET = {"preset": messages.Message("TCD, 4 steps")}
DOWNLOAD_LORA = said(messages.DOWNLOAD_LORA, checkpoint="base", lora="TCD-SDXL-LoRA", **PRESET)


@pytest.mark.parametrize(
    "loras",
    [[], [STYLE], [active("TCD-SDXL-LoRA", weight=0)]],
    ids=["none", "another kind", "weight 0"],
)
def test_no_lora(loras):
    assert warnings(*loras) == [DOWNLOAD_LORA]
    for_sd1 = said(messages.DOWNLOAD_LORA, checkpoint="base", lora="TCD-SD15-LoRA", **PRESET)
    assert warnings(family=SD1) == [for_sd1]
    assert for_sd1 in warnings(*loras, family=SD1)  # besides the warning about a LoRA of another family
    here = warnings(*loras, find_tag=lambda: "<lora:mine:1>")
    assert here == [said(messages.ADD_LORA, checkpoint="base", tag="<lora:mine:1>")]
    assert warnings(*loras, family=None) == [said(messages.NO_LORA, checkpoint="base")]


def test_an_unknown_lora():
    unknown = ActiveLoRA("nonsense", 1, is_missing=True)
    assert warnings(TCD, unknown) == [said(messages.UNKNOWN, lora="nonsense")]
    assert warnings(unknown, is_distilled=True) == [said(messages.UNKNOWN, lora="nonsense")]


def test_an_alias_of_several_loras():
    several = ActiveLoRA("last", 1, is_missing=True, is_ambiguous=True)
    assert warnings(TCD, several) == [said(messages.AMBIGUOUS, lora="last")]


@pytest.mark.parametrize("fault", [messages.EMPTY_FILE, messages.PICKLE_FILE])
def test_a_file_that_cannot_be_loaded(fault):
    broken = ActiveLoRA("TCD-broken", 1, identity=Identity(CATALOGUE.find_recommended("TCD-broken"), NAME), fault=fault)
    assert warnings(TCD, broken) == [said(fault, lora="TCD-broken")]
    assert warnings(broken) == [said(fault, lora="TCD-broken"), DOWNLOAD_LORA]


def test_a_tag_that_cannot_be_read():
    """The WebUI then applies no LoRA at all, so no other warning about LoRAs follows."""
    unreadable = said(messages.UNREADABLE, tag="<lora:TCD:0,8>")
    assert warnings(unreadable=[unreadable]) == [unreadable]


def test_another_family():
    families = {"family": SD1, "checkpoint_family": SDXL}
    other = active("TCD-SD15-LoRA", family=SD1)
    assert warnings(other) == [said(messages.FAMILY, lora="TCD-SD15-LoRA", **families)]
    assert warnings(TCD, active("style", family=SD1)) == [said(messages.FAMILY, lora="style", **families)]
    assert warnings(TCD, active("style", family=SD1, weight=0)) == []


def test_another_format():
    assert warnings(active("my-tcd", format=PEFT)) == [said(messages.UNSUPPORTED_FORMAT, lora="my-tcd", format=PEFT)]


def test_another_sampler():
    wants = {"method": "Hyper-SD", "sampler": "Euler (SGM Uniform)", "cfg_scale": "1"}
    lora = active("Hyper-SDXL-8steps-lora")
    assert warnings(lora, TCD) == [said(messages.OTHER_LORA, lora="Hyper-SDXL-8steps-lora", steps="8", **wants)]
    assert warnings(active("my-hyper-sdxl-lora", by=NAME), TCD) == [
        said(messages.OTHER_LORA_BY_NAME, lora="my-hyper-sdxl-lora", steps="2-8", **wants)
    ]
    assert warnings(active("Hyper-SDXL-8steps-lora", weight=0), TCD) == []
    assert len(warnings(active("lcm-lora-sdxl"), TCD, gamma=0.3)) == 1


def test_guidance():
    warning = said(messages.CFG_SCALE, cfg_scale="7", lora="TCD-SDXL-LoRA", allowed="1")
    assert warnings(STYLE, TCD, cfg_scale=7) == [warning]
    assert warnings(TCD, TCD, cfg_scale=7) == [warning]
    assert len(warnings(TCD, cfg_scale=2.01)) == 1


def test_another_schedule():
    assert warnings(TCD, steps=8, schedule="Karras") == [said(messages.SCHEDULE, steps=8, schedule="Karras")]
    assert warnings(TCD, steps=9, schedule="Karras") == []


def test_strength():
    assert warnings(TCD, steps=4, strength=0.5) == [said(messages.STEPS, strength="0.5", run=3, steps=4, more=6)]


@pytest.mark.parametrize("strength", [0.01, 0.3, 0.5, 0.58, 0.7, 0.75, 0.9, 0.99, 1])
@pytest.mark.parametrize("steps", [2, 3, 4, 8, 20, 30, 50, 150])
def test_the_suggested_steps_are_the_fewest_that_suffice(strength, steps):
    found = warnings(TCD, steps=steps, strength=strength)
    if not found:
        assert count_steps(steps, strength) == steps
        return
    more = found[0].values["more"]
    assert count_steps(more, strength) >= steps
    assert count_steps(more - 1, strength) < steps


def test_strength_0():
    [warning] = warnings(TCD, strength=0)
    assert_says(warning, messages.STEPS, strength="0", run=1, steps=4)
