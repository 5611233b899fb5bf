"""Each mistake is named, once, and nothing is said of a job that is right."""

import pytest

from tcd_sampler import messages
from tcd_sampler.advice import Active, Job, count_steps, find_warnings
from tcd_sampler.loras.catalogue import CATALOGUE, CONTENT, NAME, Identity
from tcd_sampler.loras.header import KOHYA, PEFT, SD1, SDXL, LoRA


def file(name, family=SDXL, format=KOHYA, tensors=2364, rank=64):
    return LoRA(name, 1, family, format, rank, tensors, False, {})


def active(name, weight=1, by=CONTENT, **kwargs):
    use = CATALOGUE.find_use(name)
    return Active(name, weight, file(name, **kwargs), Identity(use, by) if use else None)


TCD = active("TCD-SDXL-LoRA")
STYLE = active("watercolour", tensors=722 * 3, rank=16)
UNKNOWN_DISTILLATION = active("pytorch_lora_weights")


def hints(*loras, **changes):
    right = {"steps": 4, "cfg_scale": 1, "schedule": "Automatic", "checkpoint": "base", "family": SDXL}
    return [
        str(hint) for hint in find_warnings(Job(**{**right, "is_distilled": False, "loras": list(loras), **changes}))
    ]


@pytest.mark.parametrize(
    "job",
    [
        hints(TCD),
        hints(STYLE, TCD),
        hints(TCD, schedule="TCD"),
        hints(TCD, cfg_scale=2),
        hints(STYLE, TCD, cfg_scale=1.7),
        hints(UNKNOWN_DISTILLATION),
        hints(is_distilled=True),
        hints(STYLE, is_distilled=True, cfg_scale=7),
        hints(TCD, steps=20, schedule="Karras"),
        hints(TCD, steps=8, strength=0.99),
        hints(TCD, steps=8, strength=0.5, fixes_steps=True),
        hints(active("lcm-lora-sdxl"), is_distilled=True, gamma=1),
        hints(active("TCD", family=None)),
        hints(TCD, family=None),
        hints(Active("in a pickle", 1), TCD),
    ],
)
def test_nothing_is_said_of_a_job_that_is_right(job):
    assert job == []


NOT_DISTILLED = "No TCD LoRA is active, and base is not known as distilled: "


@pytest.mark.parametrize(
    "loras",
    [[], [STYLE], [active("TCD-SDXL-LoRA", weight=0)]],
    ids=["none", "another kind", "weight 0"],
)
def test_no_lora(loras):
    assert hints(*loras) == [NOT_DISTILLED + "get TCD-SDXL-LoRA, beside the TCD presets."]
    assert hints(*loras, family=SD1) == hints(*loras, family=SD1)
    here = hints(*loras, find_tag=lambda: "<lora:mine:1>")
    assert here == [NOT_DISTILLED + "add <lora:mine:1> to the prompt."]
    assert hints(*loras, family=None) == [NOT_DISTILLED + "pictures may come out soft."]


def test_a_name_that_is_not_there():
    unknown = Active("nonsense", 1, is_missing=True)
    sentence = "There is no LoRA nonsense here; some WebUIs then leave out all LoRAs."
    assert hints(TCD, unknown) == [sentence]
    assert hints(unknown, is_distilled=True) == [sentence]


def test_an_alias_of_several():
    sentence = "last is the alias of several LoRAs, so this WebUI loads none of them. Use a file name."
    assert hints(TCD, Active("last", 1, is_missing=True, is_ambiguous=True)) == [sentence]


@pytest.mark.parametrize("fault", [messages.EMPTY_FILE, messages.PICKLE_FILE])
def test_a_file_that_cannot_be_loaded(fault):
    broken = Active("TCD-broken", 1, identity=Identity(CATALOGUE.find_use("TCD-broken"), NAME), fault=fault)
    sentence = fault.format(lora="TCD-broken")
    assert hints(TCD, broken) == [sentence]
    assert hints(broken) == [sentence, NOT_DISTILLED + "get TCD-SDXL-LoRA, beside the TCD presets."]


def test_a_tag_that_cannot_be_read():
    """The WebUI then applies none of the LoRAs, so that nothing else is to be said of them."""
    sentence = "<lora:TCD:0,8> cannot be read, so this WebUI applied no LoRA at all. Correct it."
    assert hints(unreadable=["<lora:TCD:0,8>"]) == [sentence]


def test_another_family():
    other = active("TCD-SD15-LoRA", family=SD1)
    assert hints(other) == ["TCD-SD15-LoRA is a LoRA for SD 1.5, and the checkpoint is SDXL."]
    assert hints(TCD, active("style", family=SD1)) == ["style is a LoRA for SD 1.5, and the checkpoint is SDXL."]
    assert hints(TCD, active("style", family=SD1, weight=0)) == []


def test_another_format():
    assert hints(active("my-tcd", format=PEFT)) == [
        "my-tcd is in the format of PEFT, of which this WebUI loads little or nothing: "
        "Apply, beside the TCD presets, offers a copy that it loads."
    ]


def test_another_sampler():
    lora = active("Hyper-SDXL-8steps-lora")
    wants = "not for TCD: it wants Euler, SGM Uniform, 8 steps, CFG scale 1."
    assert hints(lora, TCD) == [f"Hyper-SDXL-8steps-lora is a LoRA of Hyper-SD, {wants}"]
    assert hints(active("my-hyper-sdxl-lora", by=NAME), TCD) == [
        "my-hyper-sdxl-lora is, by its name, a LoRA of Hyper-SD, "
        "not for TCD: it wants Euler, SGM Uniform, 2-8 steps, CFG scale 1."
    ]
    assert hints(active("Hyper-SDXL-8steps-lora", weight=0), TCD) == []
    assert len(hints(active("lcm-lora-sdxl"), TCD, gamma=0.3)) == 1


def test_guidance():
    sentence = "CFG scale 7 is too high for TCD-SDXL-LoRA, which has guidance in it: set it to 1."
    assert hints(STYLE, TCD, cfg_scale=7) == [sentence]
    assert hints(TCD, TCD, cfg_scale=7) == [sentence]
    assert len(hints(TCD, cfg_scale=2.01)) == 1


def test_another_schedule():
    sentence = "At 8 steps, Karras is not the schedule that TCD wants: set the schedule type to Automatic."
    assert hints(TCD, steps=8, schedule="Karras") == [sentence]
    assert hints(TCD, steps=9, schedule="Karras") == []


def test_strength():
    assert hints(TCD, steps=4, strength=0.5) == [
        "At denoising strength 0.5, 3 of the 4 steps run: ask for 6, or turn on in the settings "
        "that img2img does exactly the steps that the slider says."
    ]


@pytest.mark.parametrize("strength", [0.01, 0.3, 0.5, 0.58, 0.7, 0.75, 0.9, 0.99, 1])
@pytest.mark.parametrize("steps", [2, 3, 4, 8, 20, 30, 50, 150])
def test_the_steps_to_ask_for_are_the_fewest_that_do(strength, steps):
    said = hints(TCD, steps=steps, strength=strength)
    if not said:
        assert count_steps(steps, strength) == steps
        return
    more = int(said[0].split("ask for ")[1].split(",")[0])
    assert count_steps(more, strength) >= steps
    assert count_steps(more - 1, strength) < steps


def test_no_strength_at_all():
    assert "1 of the 4 steps run" in hints(TCD, strength=0)[0]
