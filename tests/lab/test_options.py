"""Options for LoRAs, ControlNets and IP-Adapters: how they are parsed, and which files their headers rule out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tcd_sampler import messages as shared
from tcd_sampler.lab import messages
from tcd_sampler.lab.command import make_parser
from tcd_sampler.lab.demo.options import check_files, get_controlnet, get_ip_adapter, parse_lora, parse_loras
from tests.support.messages import refused

ROOT = Path(__file__).parents[2]
WIDTHS = {"sd15": 768, "sdxl": 2048}
CONTROL, PROMPT = "--controlnet", "--ip-adapter"


def make_checkpoint(width):
    attention = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
    names = ["first_stage_model.decoder.conv_in.weight", "cond_stage_model.transformer.weight"]
    if width == 2048:
        names.append("conditioner.embedders.1.model.ln_final.weight")
    return {attention: torch.zeros(2, width), **{name: torch.zeros(1) for name in names}}


def make_controlnet(width, hint="controlnet_cond_embedding.conv_in", prefix=""):
    attention = f"{prefix}down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    return {f"{prefix}{hint}.weight": torch.zeros(2, 3, 3, 3), attention: torch.zeros(2, width)}


def make_adapter(width, key="image_proj.proj.weight", encoder=1024, also="image_proj.norm.weight"):
    tensors = {key: torch.zeros(8, encoder), "ip_adapter.1.to_k_ip.weight": torch.zeros(2, width)}
    return tensors | {also: torch.zeros(1)}


def make_folder(path, config, file):
    path.mkdir()
    (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    if file:
        tensors = {"weight": torch.zeros(1)} if file == "model" else make_controlnet(2048)
        save_file(tensors, path / f"{file}.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of all kinds, with some of the real tensor names and minimal tensors."""
    folder = tmp_path_factory.mktemp("files")
    face = {"image_proj.proj.0.weight": torch.zeros(2, 512), "image_proj.norm.weight": torch.zeros(2)}
    plus_face = {"image_proj.perceiver_resampler.proj_in.weight": torch.zeros(2, 1280)}
    files = {
        "lora": {"lora_unet_mid_block_x.lora_down.weight": torch.zeros(4, 8)},
        "faceid": {**face, "ip_adapter.1.to_k_ip.weight": torch.zeros(2, 2048)},
        "faceid-plus": {**face, **plus_face},
        "ldm": make_controlnet(768, "input_hint_block.0", "control_model."),
        "plus": make_adapter(2048, "image_proj.proj_in.weight", 1280, "image_proj.latents"),
        "full": make_adapter(768, "image_proj.proj.0.weight", 1280, "image_proj.proj.3.weight"),
    }
    for name, width in WIDTHS.items():
        files[name] = make_checkpoint(width)
        files[f"{name}-control"] = make_controlnet(width)
        files[f"{name}-adapter"] = make_adapter(width)
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    for name in ("sdxl-control", "sdxl-adapter"):
        (folder / f"{name}-cut.safetensors").write_bytes((folder / f"{name}.safetensors").read_bytes()[:-1])
    (folder / "control.pth").write_bytes(b"PK\x03\x04pickle")
    (folder / "adapter.bin").write_bytes(b"PK\x03\x04pickle")
    make_folder(folder / "control", {"_class_name": "ControlNetModel"}, "diffusion_pytorch_model")
    make_folder(folder / "control-other-name", {"_class_name": "ControlNetModel"}, "model")
    make_folder(folder / "union", {"_class_name": "ControlNetUnionModel"}, "diffusion_pytorch_model")
    make_folder(folder / "list", "[]", "diffusion_pytorch_model")
    vision = {"model_type": "clip_vision_model", "hidden_size": 1280, "projection_dim": 1024}
    make_folder(folder / "vit-h", vision, "model")
    make_folder(folder / "vit-g", vision | {"hidden_size": 1664, "projection_dim": 1280}, "model")
    make_folder(folder / "small", {"model_type": "clip_vision_model"}, "model")
    make_folder(folder / "no-weights", vision, None)
    make_folder(folder / "text", {"model_type": "clip_text_model"}, "model")
    make_folder(folder / "junk", "junk", "model")
    (folder / "text.png").write_text("text", encoding="utf-8")
    Image.new("RGB", (8, 8)).save(folder / "image.png")
    return folder


def parse(folder, *arguments):
    """Returns the parsed arguments. Names of files in the folder become paths."""
    files = (folder / argument if (folder / argument).exists() else argument for argument in arguments)
    return make_parser().parse_args(["generate", "--prompt", "a", *map(str, files)])


def control(folder, checkpoint, file, *more):
    return parse(
        folder, "--checkpoint", f"{checkpoint}.safetensors", CONTROL, file, "--control-image", "image.png", *more
    )


def prompt(folder, checkpoint, file, encoder, *more):
    arguments = ["--ip-adapter-image", "image.png", "--image-encoder", encoder, *more]
    return parse(folder, "--checkpoint", f"{checkpoint}.safetensors", PROMPT, file, *arguments)


# --lora


@pytest.mark.parametrize(
    ("value", "file", "weight"),
    [
        ("a.safetensors", "a.safetensors", 1),
        ("a.safetensors:0.8", "a.safetensors", 0.8),
        ("a.safetensors:-1e-1", "a.safetensors", -0.1),
        (r"C:\loras\a.safetensors", r"C:\loras\a.safetensors", 1),
        (r"C:\loras\a.safetensors:0.8", r"C:\loras\a.safetensors", 0.8),
        ("C:/a.safetensors:1", "C:/a.safetensors", 1),
        ("C:a.safetensors:2", "C:a.safetensors", 2),
        ("C:a.safetensors", "C:a.safetensors", 1),
        ("/a:b/c.safetensors", "/a:b/c.safetensors", 1),
        ("/a:b/c.safetensors:0.5", "/a:b/c.safetensors", 0.5),
        ("a", "a", 1),
    ],
)
def test_a_lora_is_a_file_and_its_weight(value, file, weight):
    lora = parse_lora(value)
    assert (str(lora.file), lora.weight) == (str(Path(file)), weight)


@pytest.mark.parametrize("weight", ["", "much", "nan", "inf", "0,8"])
def test_a_weight_must_be_a_number(weight):
    value = f"a.safetensors:{weight}"
    with refused(messages.NOT_A_WEIGHT, value=value):
        parse_lora(value)


def test_names_of_loras_must_differ():
    assert len(parse_loras(["a/one.safetensors", "a/two.safetensors"])) == 2
    with refused(messages.LORA_TWICE, lora="one"):
        parse_loras(["a/one.safetensors", "b/one.safetensors:0.5"])


def test_every_lora_is_checked(folder):
    loras = ["--lora", "lora.safetensors", "--lora", "sdxl-control.safetensors"]
    with refused(messages.CHECKPOINT_AS_LORA, file="sdxl-control.safetensors"):
        check_files(parse(folder, "--checkpoint", "sdxl.safetensors", *loras))
    check_files(parse(folder, "--checkpoint", "sdxl.safetensors", *loras[:2]))


# options that need others


@pytest.mark.parametrize(
    ("options", "field", "needed"),
    [
        ([CONTROL, "ldm.safetensors"], CONTROL, "--checkpoint"),
        (["--checkpoint", "sd15.safetensors", CONTROL, "ldm.safetensors"], CONTROL, "--control-image"),
        (["--control-image", "image.png"], "--control-image", CONTROL),
        (["--control-scale", "1"], "--control-scale", CONTROL),
        ([PROMPT, "plus.safetensors"], PROMPT, "--checkpoint"),
        (["--checkpoint", "sd15.safetensors", PROMPT, "plus.safetensors"], PROMPT, "--ip-adapter-image"),
        (
            ["--checkpoint", "sd15.safetensors", PROMPT, "plus.safetensors", "--ip-adapter-image", "image.png"],
            PROMPT,
            "--image-encoder",
        ),
        (["--ip-adapter-image", "image.png"], "--ip-adapter-image", PROMPT),
        (["--ip-adapter-scale", "1"], "--ip-adapter-scale", PROMPT),
        (["--image-encoder", "vit-h"], "--image-encoder", PROMPT),
    ],
)
def test_an_option_needs_others(folder, options, field, needed):
    with refused(messages.OPTION_NEEDED, field=field, needed=needed):
        check_files(parse(folder, *options))


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan")])
def test_scales_must_be_in_range(folder, value):
    for field, args in (
        ("--control-scale", control(folder, "sd15", "ldm.safetensors", f"--control-scale={value}")),
        ("--ip-adapter-scale", prompt(folder, "sdxl", "plus.safetensors", "vit-h", f"--ip-adapter-scale={value}")),
    ):
        with refused(messages.NOT_IN_RANGE, field=field, low=0, high=2):
            check_files(args)


@pytest.mark.parametrize("field", ["--control-image", "--ip-adapter-image"])
def test_images_must_be_image_files(folder, field):
    with refused(messages.CANNOT_READ_IMAGE, field=field):
        check_files(parse(folder, field, "text.png"))


def test_guides_get_their_scales_and_images_from_the_options(folder):
    guide = get_controlnet(control(folder, "sd15", "ldm.safetensors"))
    assert (guide.file.name, guide.image.size, guide.scale) == ("ldm.safetensors", (8, 8), 0.5)
    guide = get_ip_adapter(prompt(folder, "sdxl", "plus.safetensors", "vit-h", "--ip-adapter-scale", "0"))
    assert (guide.file.name, guide.image.size, guide.scale) == ("plus.safetensors", (8, 8), 0)
    assert guide.encoder == str(folder / "vit-h")
    assert get_controlnet(parse(folder)) is get_ip_adapter(parse(folder)) is None


# files


@pytest.mark.parametrize(
    ("checkpoint", "file"),
    [("sdxl", "sdxl-control.safetensors"), ("sd15", "ldm.safetensors"), ("sdxl", "control")],
)
def test_controlnets_are_accepted(folder, checkpoint, file):
    check_files(control(folder, checkpoint, file))


@pytest.mark.parametrize(
    ("file", "template", "values"),
    [
        ("none.safetensors", messages.CANNOT_READ, {"field": CONTROL}),
        ("control.pth", messages.NOT_SAFETENSORS, {"field": CONTROL}),
        ("sdxl-control-cut.safetensors", shared.DAMAGED_FILE, {}),
        ("sdxl-adapter.safetensors", messages.NOT_A_CONTROLNET, {"file": "sdxl-adapter.safetensors"}),
        ("sdxl.safetensors", messages.NOT_A_CONTROLNET, {}),
        ("lora.safetensors", messages.NOT_A_CONTROLNET, {}),
        (
            "sd15-control.safetensors",
            messages.GUIDE_FOR_ANOTHER_FAMILY,
            {"field": CONTROL, "file": "sd15-control.safetensors", "family": "SD 1.5", "checkpoint_family": "SDXL"},
        ),
        ("union", messages.NOT_A_CONTROLNET_FOLDER, {}),
        ("list", messages.NOT_A_CONTROLNET_FOLDER, {}),
        ("vit-h", messages.NOT_A_CONTROLNET_FOLDER, {}),
        ("control-other-name", messages.CANNOT_READ, {"field": CONTROL}),
    ],
)
def test_files_that_are_no_controlnet_are_refused(folder, file, template, values):
    with refused(template, **values):
        check_files(control(folder, "sdxl", file))


@pytest.mark.parametrize(
    ("checkpoint", "file"),
    [("sdxl", "sdxl-adapter.safetensors"), ("sdxl", "plus.safetensors"), ("sd15", "full.safetensors")],
)
def test_ip_adapters_are_accepted(folder, checkpoint, file):
    check_files(prompt(folder, checkpoint, file, "vit-h"))
    check_files(prompt(folder, checkpoint, file, "h94/IP-Adapter/models/image_encoder"))
    check_files(prompt(folder, checkpoint, file, "owner/name"))


@pytest.mark.parametrize(
    ("file", "template", "values"),
    [
        ("none.safetensors", messages.CANNOT_READ, {"field": PROMPT}),
        ("adapter.bin", messages.NOT_SAFETENSORS, {"field": PROMPT}),
        ("sdxl-adapter-cut.safetensors", shared.DAMAGED_FILE, {}),
        ("sdxl-control.safetensors", messages.NOT_AN_IP_ADAPTER, {"file": "sdxl-control.safetensors"}),
        ("faceid.safetensors", messages.NOT_AN_IP_ADAPTER, {}),
        ("faceid-plus.safetensors", messages.NOT_AN_IP_ADAPTER, {}),
        (
            "sd15-adapter.safetensors",
            messages.GUIDE_FOR_ANOTHER_FAMILY,
            {"field": PROMPT, "family": "SD 1.5", "checkpoint_family": "SDXL"},
        ),
    ],
)
def test_files_that_are_no_ip_adapter_are_refused(folder, file, template, values):
    with refused(template, **values):
        check_files(prompt(folder, "sdxl", file, "vit-h"))


@pytest.mark.parametrize(
    ("encoder", "template", "values"),
    [
        ("no/such/../folder?", messages.NOT_AN_IMAGE_ENCODER, {"encoder": "no/such/../folder?"}),
        ("none", messages.NOT_AN_IMAGE_ENCODER, {}),
        ("image.png", messages.NOT_AN_IMAGE_ENCODER, {}),
        ("control", messages.NOT_AN_IMAGE_ENCODER, {}),
        ("text", messages.NOT_AN_IMAGE_ENCODER, {}),
        ("junk", messages.NOT_AN_IMAGE_ENCODER, {}),
        ("no-weights", messages.CANNOT_READ, {"field": "--image-encoder"}),
        ("vit-g", messages.ENCODER_DOES_NOT_FIT, {"size": "projection_dim", "width": 1024, "found": 1280}),
        ("small", messages.ENCODER_DOES_NOT_FIT, {"size": "projection_dim", "width": 1024, "found": 512}),
    ],
)
def test_a_wrong_image_encoder_is_refused(folder, encoder, template, values):
    with refused(template, **values):
        check_files(prompt(folder, "sdxl", "sdxl-adapter.safetensors", encoder))


def test_a_plus_adapter_needs_the_encoders_hidden_states(folder):
    with refused(messages.ENCODER_DOES_NOT_FIT, size="hidden_size", width=1280, found=1664):
        check_files(prompt(folder, "sdxl", "plus.safetensors", "vit-g"))


@pytest.mark.slow
def test_wrong_files_are_refused_before_the_packages_are_imported(folder):
    arguments = ["generate", "--prompt", "a", "--checkpoint", folder / "sdxl.safetensors"]
    arguments += [PROMPT, folder / "plus.safetensors", "--ip-adapter-image", folder / "image.png"]
    arguments += ["--image-encoder", folder / "vit-g"]
    code = f"""
import sys
from tcd_sampler.lab.command import main
status = main({[*map(str, arguments)]!r})
print(status, sorted({{"diffusers", "gradio", "transformers"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "1 []\n"
