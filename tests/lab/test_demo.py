import math
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file

from tcd_sampler import get_sigmas_tcd, sample_tcd
from tcd_sampler.errors import UserError
from tcd_sampler.lab import grid, messages
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.generation import InitialImage, Request, generate, get_size, sample
from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.demo.model import GuidedDenoiser, LoRA, Model
from tcd_sampler.lab.demo.samplers import SAMPLERS, TCD
from tests.support.messages import refused
from tests.unit.tables import TABLE

PROMPT = "a red ball on the left and a blue dotted tree on the right, on snow, at night"


ANY = {"read_prompt": None, "threads": None, "control_image": None}
"""Attributes of a model that accepts any prompt."""


def to_tensor(image):
    return torch.tensor(list(image.tobytes())).reshape(*reversed(image.size), 3)


@pytest.fixture
def shipped(trained, monkeypatch):
    """Makes the command use the tests' miniature instead of the bundled one."""
    monkeypatch.setattr("tcd_sampler.lab.demo.miniature.CHECKPOINT", trained.checkpoint)
    monkeypatch.setattr("tcd_sampler.lab.demo.miniature.LORAS", trained.loras)


@pytest.fixture
def image_file(tmp_path):
    path = tmp_path / "start.png"
    Image.effect_noise((136, 128), 60).convert("RGB").save(path)
    return path


@pytest.fixture
def half_mask(tmp_path):
    """A mask of the right half."""
    mask = Image.new("L", (136, 128))
    mask.paste(255, (64, 0, 136, 128))
    mask.save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def run(*arguments):
    return main(["generate", *map(str, arguments)])


# generation


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
def test_text_to_image_equals_sample_tcd_on_the_model(model, gamma):
    request = Request(PROMPT, steps=5, gamma=gamma, seed=7)
    image = generate(model, request)
    model.use_lora("tcd")
    generator = torch.Generator().manual_seed(7)
    draw = lambda *_: torch.randn(1, 4, 16, 16, generator=generator)  # noqa: E731
    denoiser = GuidedDenoiser(model, *model.encode([PROMPT], "", 128, 128), 1.0)
    sigmas = get_sigmas_tcd(5, denoiser.inner_model.sigmas)
    x = draw() * (1 + sigmas[0] ** 2).sqrt()
    latents = sample_tcd(denoiser, x, sigmas, disable=True, noise_sampler=draw, gamma=gamma)
    expected = ((model.to_images(latents)[0] + 1) * 127.5).permute(1, 2, 0)
    assert (to_tensor(image) - expected).abs().max() <= 1


def test_each_seed_has_its_own_image(model):
    request = Request(PROMPT, steps=2, seed=1)
    first = generate(model, request).tobytes()
    assert first == generate(model, request).tobytes()
    for change in ({"seed": 2}, {"gamma": 0.9}, {"prompt": ""}):
        assert first != generate(model, replace(request, **change)).tobytes()


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_sampler_uses_its_lora_and_guidance(name, model, monkeypatch):
    seen, original = [], GuidedDenoiser.__call__

    def watch(self, x, sigma):
        seen.append((active(model.unet), self.scale))
        return original(self, x, sigma)

    monkeypatch.setattr(GuidedDenoiser, "__call__", watch)
    steps = []
    generate(model, Request(PROMPT, steps=3, sampler=SAMPLERS[name]), steps.append)
    lora = SAMPLERS[name].lora
    assert seen == [([lora] if lora else [], 1.0 if lora else model.guidance)] * 3
    assert [step["i"] for step in steps] == [0, 1, 2]


def active(unet):
    layer = next(module for module in unet.modules() if hasattr(module, "lora_A"))
    return [] if layer.disable_adapters else list(layer.active_adapters)


def test_a_lora_is_added_as_in_kohyas_scripts(trained):
    """alpha / rank * up @ down is added to the weights of matrices and convolutions, as in the WebUI."""
    model = load_miniature(trained.checkpoint, trained.loras)
    plain, with_lora = load_file(trained.checkpoint), load_file(trained.loras["tcd"])
    model.use_lora("tcd")
    model.unet.fuse_lora(adapter_names=["tcd"])
    weights = {name.replace(".base_layer", ""): value for name, value in model.unet.state_dict().items()}
    for name, key in (
        ("mid_block.attentions.0.proj_in", "model.diffusion_model.middle_block.1.proj_in"),
        ("mid_block.resnets.0.conv1", "model.diffusion_model.middle_block.0.in_layers.2"),
        ("up_blocks.0.upsamplers.0.conv", "model.diffusion_model.output_blocks.2.2.conv"),
    ):
        kohya = f"lora_unet_{key.removeprefix('model.diffusion_model.').replace('.', '_')}"
        down, up = (with_lora[f"{kohya}.lora_{side}.weight"].float() for side in ("down", "up"))
        assert up.abs().max() > 0
        scale = with_lora[f"{kohya}.alpha"] / len(down)
        expected = plain[f"{key}.weight"].float() + scale * (up.flatten(1) @ down.flatten(1)).reshape(
            plain[f"{key}.weight"].shape
        )
        torch.testing.assert_close(weights[f"{name}.weight"], expected)


@pytest.mark.parametrize(("strength", "calls"), [(0.0, 1), (0.5, 5), (0.75, 7), (1.0, 8)])
def test_image_to_image_runs_as_many_steps_as_the_webui(model, image_file, strength, calls):
    steps = []
    with Image.open(image_file) as image:
        generated = generate(model, Request(PROMPT, steps=8, image=image, strength=strength), steps.append)
    assert len(steps) == calls
    assert generated.size == (136, 128)
    assert steps[0]["sigma"] == get_sigmas_tcd(8, TABLE)[8 - calls]


def test_pixels_outside_the_mask_do_not_change(model, image_file, half_mask):
    with Image.open(image_file) as image, Image.open(half_mask) as mask:
        generated = to_tensor(generate(model, Request(PROMPT, image=image, mask=mask, strength=1.0)))
        before = to_tensor(image)
    assert torch.equal(generated[:, :64], before[:, :64])
    assert generated[:, 64:].float().sub(before[:, 64:]).abs().mean() > 10


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((128, 128), None, (128, 128)),
        ((136, 128), None, (136, 128)),
        ((75, 131), None, (128, 224)),
        ((4000, 3000), None, (168, 128)),
        ((10, 1000), None, (128, 256)),
        ((500, 500), 64, (64, 64)),
    ],
)
def test_images_are_scaled_to_the_models_size(model, size, side, expected):
    request = Request(PROMPT, steps=1, image=Image.new("RGB", size), size=side)
    assert get_size(model, request) == expected
    assert f"Size: {expected[0]}x{expected[1]}," in request.describe(model)


def test_the_mask_is_scaled_with_its_image(model):
    """The mask covers the middle of a wide image, which is cropped to its middle."""
    image, mask = Image.effect_noise((1024, 128), 60).convert("RGB"), Image.new("L", (512, 64))
    mask.paste(255, (224, 0, 288, 64))
    before = ImageOps.fit(image, (256, 128))
    after = generate(model, Request(PROMPT, steps=1, image=image, mask=mask, strength=1.0))
    changed = (to_tensor(after) != to_tensor(before)).any(2).any(0).nonzero()
    assert after.size == (256, 128)
    assert (int(changed.min()), int(changed.max())) == pytest.approx((64, 191), abs=1)  # the scaled mask's edge is soft


def test_the_miniature_runs_with_one_thread(model, monkeypatch):
    seen, original = [], GuidedDenoiser.__call__
    monkeypatch.setattr(
        GuidedDenoiser, "__call__", lambda *args: seen.append(torch.get_num_threads()) or original(*args)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        generate(model, Request(PROMPT, steps=1))
        generate(replace(model, threads=None), Request(PROMPT, steps=1))
        assert (seen, torch.get_num_threads()) == ([1, 2], 2)
    finally:
        torch.set_num_threads(before)


def test_latents_outside_the_mask_do_not_change(model):
    torch.manual_seed(0)
    latents = torch.randn(1, 4, 16, 16)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1
    denoiser = GuidedDenoiser(model, *model.encode([PROMPT], "", 128, 128), 1.0)
    generator = torch.Generator().manual_seed(0)
    generated = sample(denoiser, TCD, 4, latents.shape, generator, start=InitialImage(latents, mask, 0.8))
    assert torch.equal(generated[..., :8], latents[..., :8])
    assert not torch.isclose(generated[..., 8:], latents[..., 8:]).any(1).all()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"steps": 0}, "steps must be a number from 1 to 50, got 0."),
        ({"steps": 51}, "steps must be a number from 1 to 50, got 51."),
        ({"gamma": 1.5}, "gamma must be a number from 0 to 1, got 1.5."),
        ({"seed": -1}, "seed must be a number from 0 to 4294967295, got -1."),
        ({"strength": math.nan}, "strength must be a number from 0 to 1, got nan."),
        ({"size": 8}, "size must be a number from 64 to 2048, got 8."),
        ({"size": 100}, "size must be a multiple of 8, got 100."),
        ({"guidance": 0.5}, "CFG scale must be a number from 1 to 30, got 0.5."),
        ({"guidance": math.nan}, "CFG scale must be a number from 1 to 30, got nan."),
        ({"mask": Image.new("L", (8, 8))}, "--mask needs --image."),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_generated(fields, sentence):
    with pytest.raises(UserError) as error:
        generate(None, Request(PROMPT, **fields))
    assert str(error.value) == sentence


# the command


def test_the_command_writes_an_image_with_its_settings(shipped, tmp_path, capsys):
    output = tmp_path / "image.png"
    assert run("--prompt", PROMPT, "--steps", 3, "--gamma", "0.5", "--seed", 4, "--output", output) == 0
    settings = (
        f"{PROMPT} <lora:miniature-tcd-lora:1>\nSteps: 3, Sampler: TCD, Schedule type: TCD, CFG scale: 1, Seed: 4, "
        "Size: 128x128, Model: miniature, RNG: CPU, TCD gamma: 0.5"
    )
    with Image.open(output) as image:
        assert image.size == (128, 128)
        assert image.text["parameters"] == settings
    assert capsys.readouterr().out == f"{settings}\nSaved as {output}.\n"


def test_the_command_reports_changes_of_the_prompt_seed_and_image(shipped, tmp_path, capsys):
    Image.new("RGB", (400, 300)).save(tmp_path / "large.png")
    output = tmp_path / "image.png"
    assert run("--prompt", "one star", "--seed", -1, "--image", tmp_path / "large.png", "--output", output) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(
        "Ignored words: one. Added: red, in the middle, on grass, by day.\nScaled --image from 400x300 to 168x128.\n"
    )
    assert re.search(r"a red star in the middle, on grass, by day <lora:.+\n.+Seed: \d+, Size: 168x128", captured.out)


def test_a_prompt_without_a_known_object_is_refused(shipped, tmp_path, capsys):
    assert run("--prompt", "a cat", "--output", tmp_path / "image.png") == 1
    assert capsys.readouterr().err == (
        "The prompt must name one or two of these things: ball, box, pyramid, star, heart, mushroom, house, tree. "
        "Got 'a cat'.\n"
    )


def test_the_command_inpaints(shipped, tmp_path, image_file, half_mask):
    arguments = ["--prompt", PROMPT, "--image", image_file, "--mask", half_mask, "--strength", "0.5"]
    assert run(*arguments, "--output", tmp_path / "generated.png") == 0
    with Image.open(tmp_path / "generated.png") as generated:
        assert "Denoising strength: 0.5" in generated.text["parameters"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--gamma", "much"], "gamma must be a number from 0 to 1, got 'much'."),
        (["--steps", "99"], "steps must be a number from 1 to 50, got 99."),
        (["--sampler", "Heun"], r"--sampler must be one of TCD, LCM, Euler a, DPM\+\+ 2M, got Heun."),
        (["--output", "{tmp}/none/image.png"], r"--output: {tmp}/none/image.png cannot be written \(.+\)."),
        (
            ["--output", "{tmp}/image.none"],
            r"--output must end in an image format such as .png, got {tmp}/image.none.",
        ),
    ],
)
def test_errors_are_reported_in_a_sentence(shipped, tmp_path, capsys, arguments, sentence):
    assert run("--prompt", "a", "--output", tmp_path / "tcd.png", *(a.format(tmp=tmp_path) for a in arguments)) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.fullmatch(sentence.format(tmp=re.escape(str(tmp_path))), said), said
    assert not (tmp_path / "tcd.png").exists()


@pytest.mark.parametrize("name", ["none/image.png", "image.none", "image"])
def test_an_unwritable_output_is_refused_before_generating(shipped, monkeypatch, tmp_path, name):
    monkeypatch.setattr("tcd_sampler.lab.demo.generate.generate", lambda *_: pytest.fail("generated"))
    assert run("--prompt", "a", "--output", tmp_path / name) == 1


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")]
)
def test_too_little_memory_is_reported_in_a_sentence(monkeypatch, tmp_path, capsys, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("tcd_sampler.lab.demo.generate.load_model", lambda args: SimpleNamespace(**ANY))
    monkeypatch.setattr("tcd_sampler.lab.demo.generation.get_size", fail)
    assert run("--prompt", "a", "--output", tmp_path / "tcd.png") == 1
    assert capsys.readouterr().err.endswith("There is not enough memory for this model and size. Try a smaller size.\n")


# other files


def test_a_missing_or_broken_miniature_is_reported_in_a_sentence(trained, tmp_path):
    with refused(messages.NOT_THE_MINIATURE, file=tmp_path / "none.safetensors"):
        load_miniature(tmp_path / "none.safetensors", {})
    whole = load_file(trained.checkpoint)
    for name, tensors in (
        ("part", {key: value for key, value in whole.items() if "decoder" not in key}),
        ("wide", {key: torch.cat([value, value]) for key, value in whole.items()}),
    ):
        save_file(tensors, tmp_path / f"{name}.safetensors")
        with refused(messages.NOT_THE_MINIATURE, file=tmp_path / f"{name}.safetensors"):
            load_miniature(tmp_path / f"{name}.safetensors", {})


def test_a_lora_of_another_family_is_refused(trained, model, tmp_path):
    from tcd_sampler.lab.demo.lora import add_lora

    weights = {
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": torch.zeros(4, 768),
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": torch.zeros(320, 4),
    }
    save_file(weights, tmp_path / "other.safetensors")
    families = {"family": "SD 1.5", "checkpoint_family": "SDXL"}
    with refused(messages.LORA_FOR_ANOTHER_FAMILY, file="other.safetensors", **families):
        add_lora(model.unet, tmp_path / "other.safetensors", "other")


def test_a_lora_of_other_widths_is_refused(model, tmp_path):
    from tcd_sampler.lab.demo.lora import add_lora

    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    weights = {f"{name}.lora_down.weight": torch.zeros(4, 2048), f"{name}.lora_up.weight": torch.zeros(640, 4)}
    save_file(weights, tmp_path / "wide.safetensors")
    with refused(messages.LORA_DOES_NOT_FIT, file="wide.safetensors"):
        add_lora(model.unet, tmp_path / "wide.safetensors", "wide")


def test_the_grid_leaves_out_a_sampler_without_its_lora(monkeypatch):
    monkeypatch.setattr(grid, "generate", lambda *_: Image.new("RGB", (8, 8)))
    rows = []
    for loras in ({}, {"lcm": LoRA("lcm", sampler="lcm")}):
        model = Model("model", None, None, None, None, 128, loras=loras)
        rows.append(grid.draw_grid(model, Request(PROMPT)).height / (grid.SIDE + grid.LABEL))
    assert rows == [4, 5]
