"""Presets in requests fill in omitted fields. Each mistake causes one warning, which does not block the job."""

import json

import pytest

from tcd_sampler import messages
from tcd_sampler.presets import BUILT_IN

from . import loras
from .jobs import NOTHING, make_image, mask
from .selection import FIX_STEPS, long, needs

SD15 = {"sd_model_checkpoint": "small-sd15.safetensors"}
SMALL = {"width": 64, "height": 64, "override_settings": SD15}
LEFT_OUT = dict.fromkeys(("sampler_name", "steps", "cfg_scale"), NOTHING)
TAG = "<lora:tcd-one:1>"


@pytest.fixture(scope="module")
def folder(webui, lora_folder):
    """Fills the WebUI's LoRA folder with TCD LoRAs and others."""
    loras.write(lora_folder / "tcd-one.safetensors")
    loras.write(lora_folder / "tcd-xl.safetensors", family="SDXL")
    loras.write(lora_folder / "tcd-peft.safetensors", format="peft")
    loras.write(lora_folder / "style.safetensors", layers="attn2")
    loras.write(lora_folder / "sdxl_lightning_4step.safetensors", layers="attn2")
    webui.refresh_loras()


@pytest.fixture
def follow(jobs, folder):
    """Runs a job with a preset."""

    def follow(preset, *, kind="txt2img", gamma=None, **fields):
        return getattr(jobs, kind)(gamma, None, preset, **{**LEFT_OUT, **SMALL, **fields})

    return follow


@pytest.fixture
def warnings(jobs, folder):
    """Runs a job and returns its warnings."""

    def warnings(*tcd, kind="txt2img", **fields):
        result = getattr(jobs, kind)(*tcd, **{"prompt": f"a house {TAG}", "steps": 2, **SMALL, **fields})
        assert "TCD warnings" not in result.infotext
        return result.info["extra_generation_params"].get("TCD warnings", [])

    return warnings


@pytest.fixture
def own_presets(webui):
    file = webui.data / "tcd-presets.json"
    yield file
    file.unlink(missing_ok=True)


def assert_says(infotext, **values):
    for key, value in values.items():
        assert f"{key.replace('_', ' ')}: {value}," in infotext


def test_a_preset_sets_fields_where_loras_do_not_work(jobs):
    result = jobs.txt2img(None, None, "TCD, 8 steps", **{**LEFT_OUT, **SMALL})
    assert_says(result.infotext, Steps=8, Sampler="TCD")
    assert "CFG scale: 1" in result.infotext
    assert "TCD gamma: 0.3" in result.infotext


def test_a_preset_fills_in_omitted_fields(follow):
    result = follow("TCD, 4 steps", prompt="a house")
    assert_says(result.infotext, Steps=4, Sampler="TCD", TCD_gamma=0.3)
    assert "CFG scale: 1" in result.infotext
    assert result.info["prompt"] == f"a house {TAG}"
    assert "TCD warnings" not in result.info["extra_generation_params"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"steps": 3, "gamma": 0.65}, {"Steps": 3, "TCD_gamma": 0.65, "CFG_scale": 1.0}),
        ({"cfg_scale": 1.5, "eta": 0.45}, {"CFG_scale": 1.5, "Steps": 4, "TCD_gamma": 0.3}),  # clients often send eta
        pytest.param({"sampler_name": "Euler a"}, {"Sampler": "Euler a", "Steps": 4}, marks=long),
        pytest.param({"sampler_index": "Euler a"}, {"Sampler": "Euler a", "Steps": 4}, marks=long),
        pytest.param({"steps": 50}, {"Steps": 50}, marks=long),  # the API's default, but sent
    ],
    ids=lambda value: ", ".join(value),
)
def test_request_fields_override_the_preset(follow, fields, says):
    assert_says(follow("TCD, 4 steps", **fields).infotext, **says)


def test_null_fields_count_as_omitted(follow):
    result = follow("TCD, 4 steps", prompt="a house", sampler_name=None)
    assert_says(result.infotext, Steps=4, Sampler="TCD", TCD_gamma=0.3)


def test_a_plots_sampler_axis_overrides_the_preset(follow, jobs):
    infotexts = follow("TCD, 4 steps", **jobs.plot("Sampler", "TCD, Euler a")).info["infotexts"]
    assert_says(infotexts[-2], Sampler="TCD", Steps=4)
    assert_says(infotexts[-1], Sampler="Euler a", Steps=4)


def test_a_requests_schedule_overrides_the_preset(follow, webui):
    needs(webui.has_schedules, "list of schedules")
    assert_says(follow("TCD, 4 steps", scheduler="Karras").infotext, Schedule_type="Karras", Steps=4)
    assert_says(follow("TCD, 4 steps").infotext, Schedule_type="TCD")


def test_a_presets_schedule_applies_only_to_its_sampler(follow, webui, own_presets):
    needs(webui.has_schedules, "list of schedules")
    own_presets.write_text(json.dumps([{"name": "Karras", "schedule": "Karras"}]), encoding="utf-8")
    assert_says(follow("Karras", sampler_name="TCD").infotext, Schedule_type="Karras")
    assert "Schedule type: Karras" not in follow("Karras", sampler_name="Euler a").infotext


def test_infotext_values_override_the_preset(follow, webui):
    needs(webui.can_paste, "infotext in requests")
    infotext = "a house\nSteps: 3, Sampler: TCD, Seed: 7"
    assert_says(follow("TCD, 4 steps", infotext=infotext).infotext, Steps=3, TCD_gamma=0.3, CFG_scale=1.0)


@pytest.mark.parametrize("tag", ["<lora:tcd-one:0.5>", pytest.param("<lora:tcd-peft:1>", marks=long)])
def test_a_tcd_lora_in_the_prompt_stays_the_only_one(follow, tag):
    assert follow("TCD, 4 steps", prompt=f"a house {tag}").info["prompt"] == f"a house {tag}"


def test_other_loras_in_the_prompt_are_kept(follow):
    result = follow("TCD, 4 steps", prompt="a house <lora:style:0.5>", batch_size=2)
    assert result.info["all_prompts"] == [f"a house <lora:style:0.5> {TAG}"] * 2


@long
def test_a_separate_hires_prompt_gets_the_lora_too(follow):
    hires = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5, "hr_prompt": "a big house"}
    assert f"a big house {TAG}" in follow("TCD, 4 steps", steps=1, prompt="a house", **hires).infotext


def test_inpainting(follow, jobs, folder):
    fields = {"mask": mask(), "denoising_strength": NOTHING}
    result = follow("TCD inpainting, 8 steps", kind="img2img", **fields)
    assert_says(result.infotext, Steps=8, Denoising_strength=0.99)
    own = follow("TCD inpainting, 8 steps", kind="img2img", **{**fields, "denoising_strength": 0.5})
    assert_says(own.infotext, Steps=8, Denoising_strength=0.5)
    sentence = jobs.refused(None, None, "TCD inpainting, 8 steps", **SMALL)
    assert sentence == messages.PRESET_FOR_IMG2IMG.format(preset="'TCD inpainting, 8 steps'")


def test_an_unknown_preset(jobs, follow):
    sentence = jobs.refused(None, None, "TCD, 5 steps", kind="img2img", init_images=[make_image()])
    names = "; ".join(preset.name for preset in BUILT_IN)
    assert sentence == messages.UNKNOWN_PRESET.format(names=names, value="'TCD, 5 steps'")
    assert "Steps: 4" in follow("TCD, 4 steps").infotext


def test_own_presets(follow, jobs, webui, own_presets):
    preset = {"name": "mine", "steps": 3, "gamma": 0.45, "lora": "style", "weight": 0.5}
    own_presets.write_text(json.dumps([preset]), encoding="utf-8")
    result = follow("mine", prompt="a house", cfg_scale=1)
    assert_says(result.infotext, Steps=3, TCD_gamma=0.45)
    assert result.info["prompt"] == "a house <lora:style:0.5>"
    own_presets.write_text(json.dumps([{"name": "mine", "sampler": "Gone"}]), encoding="utf-8")
    sentence = jobs.refused(None, None, "mine", **{**LEFT_OUT, **SMALL})
    assert sentence == messages.NO_SAMPLER.format(preset="'mine'", sampler="'Gone'")
    own_presets.write_text("{", encoding="utf-8")
    sentence = jobs.refused(None, None, "mine", **SMALL)
    assert sentence.startswith(messages.CANNOT_READ_PRESETS.format(file=own_presets.name, reason=""))
    assert str(webui.data) not in sentence
    assert own_presets.read_text(encoding="utf-8") == "{"


def test_a_preset_that_changes_nothing(follow):
    """Some clients send every default."""
    everything = {"sampler_name": "Euler a", "steps": 2, "cfg_scale": 7, "prompt": "a house"}
    said = follow("TCD, 4 steps", **everything).info["extra_generation_params"]["TCD warnings"]
    assert any("cfg_scale, sampler_name, steps" in sentence for sentence in said)
    same = {"sampler_name": "TCD", "steps": 4, "cfg_scale": 1, "prompt": "a house"}
    for fields in (same, {"prompt": "a house", "cfg_scale": 1}):
        assert "TCD warnings" not in follow("TCD, 4 steps", **fields).info["extra_generation_params"]


def test_a_gamma_from_eta_is_reported(jobs, warnings):
    [said] = warnings(eta=1)
    assert said == messages.ETA_USED.format(gamma=1)
    assert warnings(0.3, eta=0.3) == []
    assert warnings(0.3, eta=1)[0] == messages.ETA_NOT_USED.format(gamma=0.3, eta=1.0)


def test_a_missing_lora_is_not_added(follow):
    result = follow("TDD, 8 steps", prompt="a house", steps=1)
    assert result.info["prompt"] == "a house"
    said = result.info["extra_generation_params"]["TCD warnings"]
    reason = messages.NO_SUCH_LORA.format(lora="TDD LoRA", family="SD 1.5")
    assert said[0] == messages.WITHOUT_LORA.format(preset="TDD, 8 steps", reason=reason)
    assert len(said) == 2  # the second one names the installed LoRA


def test_a_file_for_another_base_model_is_not_added(follow, own_presets):
    own_presets.write_text(json.dumps([{"name": "XL", "lora": "tcd-xl"}]), encoding="utf-8")
    result = follow("XL", prompt="a house", steps=1)
    assert result.info["prompt"] == "a house"
    said = result.info["extra_generation_params"]["TCD warnings"]
    reason = messages.LORA_OF_OTHER_FAMILY.format(lora="tcd-xl", lora_family="SDXL", family="SD 1.5")
    assert said[0] == messages.WITHOUT_LORA.format(preset="XL", reason=reason)


def test_a_plots_values_override_the_preset(follow, jobs):
    plot = jobs.plot("Steps", "2, 3", "[TCD] Gamma", "0.15, 0.95")
    cells = follow("TCD, 4 steps", prompt="a house", **plot).info["infotexts"][1:]
    assert [("Steps: 2," in cell, "TCD gamma: 0.15," in cell) for cell in cells] == [
        *((True, True), (False, True)),
        *((True, False), (False, False)),
    ]
    assert all(cell.startswith(f"a house {TAG}\n") for cell in cells)


def test_the_next_job_has_no_preset(follow, jobs):
    follow("TCD, 8 steps", steps=1)
    assert_says(jobs.txt2img(None, None, None, steps=2, **SMALL).infotext, Steps=2, TCD_gamma=0.3)
    assert_says(jobs.txt2img(sampler_name="Euler a", steps=2, **SMALL).infotext, Steps=2)


NO_LORA = messages.ADD_LORA.format(checkpoint="small-sd15", tag=TAG)
CFG_SCALE = messages.CFG_SCALE.format(lora="tcd-one", allowed=1, cfg_scale=7)
FAMILY = messages.FAMILY.format(lora="tcd-xl", family="SDXL", checkpoint_family="SD 1.5")
UNKNOWN = messages.UNKNOWN.format(lora="nonsense")
PEFT = messages.UNSUPPORTED_FORMAT.format(lora="tcd-peft", format="PEFT")
LIGHTNING = messages.OTHER_LORA_BY_NAME.format(
    lora="sdxl_lightning_4step", method="SDXL-Lightning", sampler="Euler (SGM Uniform)", steps="2-8", cfg_scale=1
)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({}, [], marks=long),
        pytest.param({"prompt": "a house"}, [NO_LORA], marks=long),
        ({"prompt": "a house <lora:tcd-one:0>", "n_iter": 2}, [NO_LORA]),
        ({"prompt": f"a <lora:tcd-xl:0.1> {TAG}"}, [FAMILY]),
        ({"cfg_scale": 7, "prompt": f"a <lora:sdxl_lightning_4step:0.5> {TAG}"}, [LIGHTNING, CFG_SCALE]),
        pytest.param({"cfg_scale": 7}, [CFG_SCALE], marks=long),
        pytest.param({"prompt": "a house <lora:style:1>"}, [NO_LORA], marks=long),
        pytest.param({"prompt": "a house", "sampler_name": "Euler a"}, [], marks=long),
        pytest.param({"prompt": f"a house {TAG} <lora:nonsense:1>"}, [UNKNOWN], marks=long),
        pytest.param({"prompt": "a house <lora:tcd-peft:1>"}, [PEFT], marks=long),
    ],
)
def test_warnings(warnings, fields, said):
    assert warnings(**fields) == said


def test_warnings_on_the_schedule(warnings, webui):
    schedule = {"scheduler": "Karras"} if webui.has_schedules else {}
    overrides = SD15 if webui.has_schedules else {**SD15, "k_sched_type": "karras"}
    name = "Karras" if webui.has_schedules else "karras"
    sentence = messages.SCHEDULE.format(schedule=name, steps=4)
    assert warnings(steps=4, override_settings=overrides, **schedule) == [sentence]


def test_warnings_on_the_strength(warnings, webui):
    needs(webui.can_fix_steps, FIX_STEPS)
    fields = {"kind": "img2img", "steps": 4, "denoising_strength": 0.5}
    assert warnings(**fields) == [messages.STEPS.format(strength=0.5, run=3, steps=4, more=6)]
    assert warnings(**fields, override_settings={**SD15, "img2img_fix_steps": True}) == []


def test_the_settings(warnings):
    assert warnings(prompt="a house", override_settings={**SD15, "tcd_warnings": False}) == []
    assert warnings(prompt="a house", override_settings={**SD15, "tcd_distilled_checkpoints": "turbo，SMALL-"}) == []
    assert warnings(prompt="a house", override_settings={**SD15, "tcd_distilled_checkpoints": ""}) == [NO_LORA]


@long
def test_warnings_on_a_hires_pass_alone(warnings):
    hires = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.5, "hr_second_pass_steps": 2}
    fields = {"sampler_name": "Euler a", "hr_sampler_name": "TCD", **hires}
    assert warnings(**fields) == []
    assert warnings(**fields, prompt="a house") == [NO_LORA]
    assert warnings(**fields, prompt="a house", hr_prompt=f"a big house {TAG}") == []


@pytest.fixture
def set_default_lora(webui):
    """Sets the host's default LoRA. Some hosts restore the setting after a request only if it was set before."""

    def set_default_lora(name):
        status, answer = webui.post("/sdapi/v1/options", {"sd_lora": name})
        assert status == 200, answer

    yield set_default_lora
    set_default_lora("None")


def test_the_lora_of_the_hosts_setting_is_recognized(warnings, follow, set_default_lora):
    """The host adds the LoRA itself if it is installed and not in the prompt."""
    set_default_lora("tcd-one")
    assert warnings(prompt="a house") == []
    set_default_lora("None")
    assert warnings(prompt="a house") != []
    overrides = {**SD15, "sd_lora": "tcd-one"}
    assert warnings(prompt="a house", override_settings=overrides) == []
    added = follow("TCD, 4 steps", prompt="a house", override_settings=overrides).info["prompt"]
    assert added.replace(" <", "<").replace(":1.0>", ":1>") == f"a house{TAG}"  # by the host, and only once
    assert warnings(prompt="a house") != []
