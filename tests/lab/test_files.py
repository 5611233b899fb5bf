"""The header of every input file of a command is checked before diffusers is imported."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tcd_sampler.lab import messages
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.checkpoint import download_configuration
from tcd_sampler.lab.demo.configuration import write_configuration
from tcd_sampler.lab.demo.files import check_checkpoint, check_config, check_lora
from tcd_sampler.lab.miniature import CHECKPOINT, LORAS
from tests.support.messages import refused

ROOT = Path(__file__).parents[2]
ATTENTION = "down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
CONTEXT = {"sd15": 768, "sdxl": 2048}


def make_unet(context, channels=4):
    return {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(2, channels, 1, 1),
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(2, context),
    }


VAE = {"first_stage_model.decoder.conv_in.weight": torch.zeros(1)}
TEXT = {
    "sd15": {"cond_stage_model.transformer.text_model.final_layer_norm.weight": torch.zeros(1)},
    "sdxl": {"conditioner.embedders.1.model.ln_final.weight": torch.zeros(1)},
}


def make_lora(name, context):
    return {f"{name}.lora_down.weight": torch.zeros(4, context), f"{name}.lora_up.weight": torch.zeros(8, 4)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of all kinds, with some of the real tensor names and minimal tensors."""
    folder = tmp_path_factory.mktemp("files")
    flux = "transformer.single_transformer_blocks.0.attn.to_k"
    files = {
        **{family: {**make_unet(width), **VAE, **TEXT[family]} for family, width in CONTEXT.items()},
        "unet-only": make_unet(2048),
        "sdxl-without-vae": {**make_unet(2048), **TEXT["sdxl"]},
        "sd15-inpainting": {**make_unet(768, 9), **VAE, **TEXT["sd15"]},
        "flux": {"double_blocks.0.img_attn.qkv.weight": torch.zeros(1)},
        **{f"{family}-lora": make_lora(f"lora_unet_{ATTENTION}", width) for family, width in CONTEXT.items()},
        "flux-lora": {f"{flux}.lora_A.weight": torch.zeros(4, 8), f"{flux}.lora_B.weight": torch.zeros(8, 4)},
        "text-encoder-lora": make_lora("lora_te1_text_model_encoder_layers_0_mlp_fc1", 8),
        "embedding": {"emb_params": torch.zeros(2, 768)},
    }
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    for family in CONTEXT:
        for name in (family, f"{family}-lora"):
            whole = (folder / f"{name}.safetensors").read_bytes()
            (folder / f"{name}-truncated.safetensors").write_bytes(whole[:-1])
    (folder / "junk.safetensors").write_text("text", encoding="utf-8")
    (folder / "empty.safetensors").touch()
    (folder / "page.safetensors").write_text("<!DOCTYPE html>", encoding="utf-8")
    (folder / "pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1", encoding="utf-8")
    (folder / "pickle.safetensors").write_bytes(b"PK\x03\x04pickle")
    (folder / "model.ckpt").write_bytes(b"PK\x03\x04pickle")
    (folder / "folder.safetensors").mkdir()
    (folder / "text.png").write_text("text", encoding="utf-8")
    image = Image.effect_noise((64, 64), 60)
    image.save(folder / "image.png")
    (folder / "truncated.png").write_bytes((folder / "image.png").read_bytes()[:600])
    return folder


def said(folder, capsys, *options):
    """Returns the command's error message, without the path of the files' folder."""
    options = [option if option.startswith(("--", "/")) else folder / option for option in options]
    output = folder / "output.png"
    assert main(["generate", "--prompt", "a", "--output", str(output), *map(str, options)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not output.exists()
    assert captured.err.count("\n") == 1, captured.err
    return captured.err.strip().replace(f"{folder}{os.sep}", "")


NEITHER = "{} is not a complete SDXL, SD 1.5 or SD 2.1 checkpoint."
DAMAGED = "{} cannot be loaded: its file is damaged or incomplete. Download it again."
FAULTS = {
    "none.safetensors": r"{option}: {file} cannot be read \(No such file or directory\).",
    "folder.safetensors": r"{option}: {file} cannot be read \(.+\).",
    "junk.safetensors": "{file} cannot be loaded: its file is damaged or incomplete. Download it again.",
    "empty.safetensors": "{file} cannot be loaded: its file is empty. Download it again.",
    "page.safetensors": "{file} cannot be loaded: its file is a web page. Download it again.",
    "pointer.safetensors": (
        "{option} must be a .safetensors file, got the Git LFS pointer {file}. Download the file itself."
    ),
    "pickle.safetensors": "{option} must be a .safetensors file, got {file}.",
    "model.ckpt": "{option} must be a .safetensors file, got {file}.",
}


@pytest.mark.parametrize("file", FAULTS)
def test_a_file_that_cannot_be_read_is_refused(folder, capsys, file):
    for option, first in (("--checkpoint", []), ("--lora", ["--checkpoint", "sdxl.safetensors"])):
        sentence = said(folder, capsys, *first, option, file)
        assert re.fullmatch(FAULTS[file].format(option=option, file=file), sentence), sentence


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("sdxl-truncated", DAMAGED),
        ("sd15-truncated", DAMAGED),
        ("unet-only", NEITHER),
        ("sdxl-without-vae", NEITHER),
        ("flux", NEITHER),
        ("embedding", NEITHER),
        (
            "sd15-inpainting",
            "{} is an inpainting or editing checkpoint (its UNet has 9 input channels). Use one for txt2img.",
        ),
        ("sdxl-lora", "--checkpoint must be a checkpoint, got the LoRA {}. Give it as --lora."),
        ("flux-lora", "--checkpoint must be a checkpoint, got the LoRA {}. Give it as --lora."),
    ],
)
def test_files_that_are_no_txt2img_checkpoint_are_refused(folder, capsys, file, sentence):
    file += ".safetensors"
    assert said(folder, capsys, "--checkpoint", file) == sentence.format(file)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("sdxl-lora-truncated", DAMAGED),
        ("sd15-lora", "{} is a LoRA for SD 1.5, but the checkpoint is SDXL."),
        ("flux-lora", "--lora must be a LoRA for the UNet of SDXL, got {}, which is for another model."),
        ("text-encoder-lora", "--lora must be a LoRA for the UNet of SDXL, got {}, which is for another model."),
        ("sdxl", "--lora must be a LoRA, got the checkpoint {}. Give it as --checkpoint."),
        ("sd15", "--lora must be a LoRA, got the checkpoint {}. Give it as --checkpoint."),
        ("flux", "--lora must be a LoRA, got the checkpoint {}. Give it as --checkpoint."),
        ("embedding", "--lora must be a LoRA, got {} (no tensor in it belongs to one)."),
    ],
)
def test_files_that_are_no_lora_for_the_checkpoint_are_refused(folder, capsys, file, sentence):
    file += ".safetensors"
    assert said(folder, capsys, "--checkpoint", "sdxl.safetensors", "--lora", file) == sentence.format(file)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--image", "none.png"], "--image: none.png cannot be read (No such file or directory)."),
        (["--image", "text.png"], "--image must be an image file, got text.png (unknown format)."),
        (["--image", "truncated.png"], "--image must be an image file, got truncated.png ({})."),
        (
            ["--image", "image.png", "--mask", "text.png"],
            "--mask must be an image file, got text.png (unknown format).",
        ),
        (["--lora", "sdxl-lora.safetensors"], "--lora needs --checkpoint: the miniature has its own LoRA."),
        (["--config", "folder"], "--config needs --checkpoint: the miniature has its own configuration."),
    ],
)
def test_other_files_are_checked_too(folder, capsys, options, sentence):
    assert re.fullmatch(re.escape(sentence).replace(r"\{\}", ".+"), said(folder, capsys, *options))


@pytest.mark.parametrize(
    ("config", "template", "values"),
    [
        ("no/such/folder", messages.NOT_A_CONFIG, {}),
        ("folder.safetensors", messages.NO_MODEL_INDEX, {}),
        (
            "sd15-config",
            messages.CONFIG_FOR_ANOTHER_FAMILY,
            {"pipeline": "StableDiffusionPipeline", "checkpoint_family": "SDXL"},
        ),
    ],
)
def test_a_configuration_is_checked(folder, capsys, config, template, values):
    write_configuration("SD 1.5", folder / "sd15-config")
    config = str(folder / config)
    said_sentence = said(folder, capsys, "--checkpoint", "sdxl.safetensors", "--config", config)
    shutil.rmtree(folder / "sd15-config")
    assert said_sentence == template.format(config=config, **values).replace(f"{folder}{os.sep}", "")


def test_a_configuration_that_cannot_be_downloaded_is_refused(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with refused(messages.CANNOT_DOWNLOAD_CONFIG, repository="owner/none"):
        download_configuration("owner/none")


def test_sd_21_needs_a_configuration():
    with refused(messages.CONFIG_NEEDED, family="SD 2.1"):
        check_config(None, "SD 2.1")
    check_config(None, "SDXL")
    check_config("owner/name", "SD 2.1")


@pytest.mark.parametrize("family", CONTEXT)
def test_valid_files_are_accepted(folder, family):
    name = check_checkpoint(folder / f"{family}.safetensors")
    assert name == {"sd15": "SD 1.5", "sdxl": "SDXL"}[family]
    check_lora(folder / f"{family}-lora.safetensors", name)


def test_the_bundled_files_are_accepted():
    assert check_checkpoint(CHECKPOINT) == "SDXL"
    for path in LORAS.values():
        check_lora(path, "SDXL")


@pytest.mark.slow
def test_a_wrong_file_is_refused_before_the_packages_are_imported(folder):
    code = f"""
import sys
from tcd_sampler.lab.command import main
status = main(["demo", "--checkpoint", {str(folder / "flux.safetensors")!r}])
print(status, sorted({{"diffusers", "gradio", "transformers"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "1 []\n"


def test_only_the_header_is_read(tmp_path):
    """A file whose header declares a tensor of a terabyte is refused at once as incomplete."""
    header = json.dumps({"a.lora_down.weight": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}})
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
    assert main(["generate", "--prompt", "a", "--checkpoint", str(path)]) == 1
