"""The most common reasons why a LoRA has no effect: broken files, and names and weights that the WebUI refuses."""

import hashlib
import json

import numpy
import pytest
from safetensors.numpy import save_file

from tcd_sampler import messages

from . import loras
from .jobs import NOTHING, Jobs
from .selection import long, needs

SMALL = {"width": 64, "height": 64, "steps": 2, "override_settings": {"sd_model_checkpoint": "small-sd15.safetensors"}}
BROKEN = {
    "TCD-zero": (b"", messages.EMPTY_FILE),
    "TCD-html": (b"<!DOCTYPE html><html><body>Sign in</body></html>", messages.WEB_PAGE),
    "TCD-lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64,
        messages.LFS_POINTER,
    ),
    "TCD-pickle": (b"PK\x03\x04" + bytes(64), messages.PICKLE_FILE),
    "TCD-cut": (b"\xf0" + bytes(7) + b'{"a"', messages.DAMAGED_FILE),
}
JSON_TITLE = {"modelspec.title": json.dumps({"en": "A style"})}


@pytest.fixture(scope="module")
def folder(webui, lora_folder):
    for name, (content, _) in BROKEN.items():
        (lora_folder / f"{name}.safetensors").write_bytes(content)
    (lora_folder / "TCD-link.safetensors").symlink_to(lora_folder / "elsewhere")
    loras.write(lora_folder / "tcd-one.safetensors")
    for name in ("last_a", "last_b"):
        loras.write(lora_folder / f"{name}.safetensors", layers="attn2", metadata={"ss_output_name": "last"})
    layer = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    tensors = {
        f"{layer}.lora_down.weight": numpy.zeros((4, 768), "f2"),
        f"{layer}.lora_up.weight": numpy.zeros((4, 4), "f2"),
    }
    save_file(tensors, lora_folder / "style.safetensors", JSON_TITLE)
    webui.refresh_loras()


@pytest.fixture
def said(jobs, folder):
    def said(prompt, *tcd, **fields):
        result = jobs.txt2img(*tcd, prompt=prompt, **{**SMALL, **fields})
        return result.info["extra_generation_params"].get("TCD warnings", [])

    return said


@pytest.mark.parametrize("name", [*BROKEN])
def test_a_file_that_cannot_be_loaded(said, webui, name):
    sentences = said(f"a house <lora:{name}:1>")
    is_there = (webui.lora_folder / f"{name}.safetensors").exists()  # Forge renames files that it cannot load
    fault = BROKEN[name][1] if is_there else messages.MISSING_FILE
    assert sentences[0] == fault.format(lora=name)
    assert "tcd-one" in sentences[1]  # the LoRA to use instead


def test_a_broken_link(said, webui):
    [first, *_] = said("a house <lora:TCD-link:1>")
    # some hosts do not list it
    assert first in (messages.MISSING_FILE.format(lora="TCD-link"), messages.UNKNOWN.format(lora="TCD-link"))


def test_an_alias_of_several_files(said):
    assert said("a house <lora:last:1> <lora:tcd-one:1>")[0] == messages.AMBIGUOUS.format(lora="last")
    assert said("a house <lora:last_a:1> <lora:tcd-one:1>") == []


@pytest.mark.parametrize("weight", ["0,8", "", "1.0.0", "0.8:x", "unet=x"])
def test_a_weight_that_cannot_be_read(said, weight):
    tag = f"<lora:tcd-one:{weight}>"
    assert said(f"a house {tag}") == [messages.UNREADABLE.format(tag=tag)]


def test_metadata_of_any_type(said, jobs, folder):
    """The WebUI returns a title that is JSON as the parsed object."""
    assert said("a house <lora:style:1> <lora:tcd-one:1>") == []
    result = jobs.txt2img(None, None, "TCD, 4 steps", prompt="a house", **{**SMALL, "steps": 1})
    assert "<lora:tcd-one:1>" in result.info["prompt"]


@pytest.fixture
def preset_prompt(jobs, folder):
    """Runs a job with a preset and returns the image's prompt."""

    def preset_prompt(prompt, **fields):
        fields = {**SMALL, "prompt": prompt, "sampler_name": NOTHING, "steps": NOTHING, **fields}
        result = jobs.txt2img(None, None, "TCD, 4 steps", **fields)
        assert not result.info["extra_generation_params"].get("TCD warnings")
        return result.info["prompt"]

    return preset_prompt


@pytest.mark.parametrize(
    "prompt",
    [
        "a house # my note",
        "# a title\na house",
        "a house\n# my note",
        "a house # <lora:tcd-one:1>",
        "# <lora:tcd-one:1>",
        "a house // <lora:tcd-one:1>",
        "a house /* <lora:tcd-one:1> */",
        "/* <lora:tcd-one:1>\n*/\na house",
    ],
)
def test_prompts_with_comments(preset_prompt, webui, prompt):
    """The LoRA tag is outside comments, so the LoRA has an effect, and there is no warning."""
    assert "<lora:tcd-one:1>" in preset_prompt(prompt)


@pytest.mark.parametrize("on", [True, False])
def test_a_job_may_turn_comments_on_or_off(preset_prompt, webui, on):
    setting = "enable_prompt_comments"
    needs(setting in webui.get("/sdapi/v1/options"), f"setting {setting}")
    assert webui.post("/sdapi/v1/options", {setting: not on})[0] == 200
    try:
        prompt = preset_prompt("a house # note", override_settings={**SMALL["override_settings"], setting: on})
    finally:
        webui.post("/sdapi/v1/options", {setting: True})
    assert ("# note" in prompt) != on


def test_a_hires_prompt_with_a_comment(preset_prompt, jobs, webui):
    hires = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.6, "hr_prompt": "a big house # note"}
    preset_prompt("a house # note", **hires)
    result = jobs.txt2img(None, None, "TCD, 4 steps", prompt="a house", **SMALL, **hires)
    hires_prompt = result.infotext.split("Hires prompt: ")[1]
    assert "a big house" in hires_prompt
    assert "<lora:tcd-one:1>" in hires_prompt


@pytest.mark.parametrize("name", ["a ", "ä (1)", "a=b=c", "a, b"])
def test_names_that_the_host_allows(said, folder, webui, name):
    file = webui.lora_folder / f"tcd-{name}.safetensors"
    loras.write(file)
    webui.refresh_loras()
    assert said(f"a house <lora:tcd-{name}:1>") == []
    file.unlink()
    webui.refresh_loras()


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "a house"},
        {"prompt": "a house <lora:style-3:1>"},
        {"prompt": "a house <lora:tcd-one:1>"},
        {"prompt": "a house", "tcd": [None, None, "TCD, 4 steps"]},
    ],
    ids=["no LoRA", "a style", "a TCD LoRA", "by a preset"],
)
def test_a_job_opens_only_the_files_that_it_needs(jobs, webui, folder, fields):
    """The number of other LoRAs does not matter. Here there are 20, half of them without metadata."""
    for i in range(20):
        metadata = {"ss_output_name": f"style {i}"} if i % 2 else None
        loras.write(webui.lora_folder / f"style-{i}.safetensors", layers="attn2", seed=i, metadata=metadata)
    webui.refresh_loras()
    result = jobs.txt2img(*fields.get("tcd", []), **{**SMALL, "prompt": fields["prompt"]})
    opened = set(result.info["extra_generation_params"]["opened"])
    assert opened <= {"tcd-one", "style-3", *BROKEN, "TCD-link"}  # these have TCD in their names, or are in the prompt
    for i in range(20):
        (webui.lora_folder / f"style-{i}.safetensors").unlink()
    webui.refresh_loras()


@long
def test_a_renamed_file_is_identified_by_its_content(start_webui, tmp_path):
    """It is hashed once, and only if there is no other choice."""
    webui = start_webui()
    webui.flags.remove("--no-hashing")
    with webui:
        needs(webui.has_loras, "working script for LoRAs")
        file = webui.lora_folder / "renamed.safetensors"
        loras.write(file)
        webui.refresh_loras()
        jobs = Jobs(webui, tmp_path)
        publish = f"publish:{file.stat().st_size}:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        jobs.txt2img(actions=publish, **SMALL)
        runs = [jobs.txt2img(None, None, "TCD, 4 steps", prompt="a house", **SMALL) for _ in range(2)]
        assert ["<lora:renamed:1>" in run.info["prompt"] for run in runs] == [True, True]
        opened = [run.info["extra_generation_params"]["opened"] for run in runs]
        assert (opened[0].count("renamed") > 1, opened[1]) == (True, [])
        file.unlink()  # the WebUI still lists it
        assert "<lora" not in jobs.txt2img(None, None, "TCD, 4 steps", prompt="a house", **SMALL).info["prompt"]
        loras.write(webui.lora_folder / "tcd-one.safetensors", seed=1)
        webui.refresh_loras()
        named = jobs.txt2img(None, None, "TCD, 4 steps", prompt="a house", **SMALL)
        assert "<lora:tcd-one:1>" in named.info["prompt"]
