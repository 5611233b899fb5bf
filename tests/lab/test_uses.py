"""Compares the demo's latents with diffusers' pipelines, with LoRAs, ControlNets and IP-Adapters.

`pytest -s` prints the distances.
"""

import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import diffusers
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tcd_sampler.lab import messages
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.checkpoint import load_checkpoint
from tcd_sampler.lab.demo.generate import describe_scaling
from tcd_sampler.lab.demo.generation import Request, generate, get_size
from tcd_sampler.lab.demo.guide_files import CONTROLNET_WEIGHTS, check_controlnet
from tcd_sampler.lab.demo.guides import get_image_encoder
from tcd_sampler.lab.demo.load import describe_use
from tcd_sampler.lab.demo.lora import find_sampler
from tcd_sampler.lab.demo.model import LoRA, Model
from tcd_sampler.lab.demo.options import Guide, WeightedLoRA
from tcd_sampler.lab.demo.samplers import LCM, SAMPLERS, TCD
from tcd_sampler.lab.demo.strips import compare_samplers
from tcd_sampler.lab.miniature.layout import UNET, get_unet_keys, replace_all
from tcd_sampler.loras.catalogue import CATALOGUE, Catalogue
from tcd_sampler.loras.checkpoint import read_family
from tcd_sampler.loras.download import compute_sha256
from tests.support.messages import refused

pytestmark = pytest.mark.slow

PROMPT, NEGATIVE, SIZE = "a red ball in the middle", "a tree", 64
LIMIT = 1e-5


# random files


def make_lora(path, pipeline, seed):
    """Writes a LoRA in kohya's format for the UNet and all text encoders."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(shape, generator=generator) * 0.2  # noqa: E731
    text = ["te1", "te2"] if hasattr(pipeline, "text_encoder_2") else ["te"]
    parts = {"unet": pipeline.unet}
    parts |= dict(zip(text, (pipeline.text_encoder, getattr(pipeline, "text_encoder_2", None))))
    weights = {}
    for part, network in parts.items():
        for name, module in network.named_modules():
            if re.search(r"attn2\.to_k$|self_attn\.\w+_proj$", name):
                name = f"{'' if part == 'unet' or name.startswith('text_model') else 'text_model.'}{name}"
                kohya = f"lora_{part}_{name.replace('.', '_')}"
                output, inputs = module.weight.shape
                weights |= {f"{kohya}.lora_down.weight": draw(4, inputs), f"{kohya}.alpha": torch.tensor(4.0)}
                weights[f"{kohya}.lora_up.weight"] = draw(output, 4)
    save_file(weights, path)
    return path


def make_controlnet(folder, pipeline):
    """Writes a ControlNet in diffusers' layout and returns it. Unlike in a new one, its last layers are not 0."""
    torch.manual_seed(1)
    controlnet = diffusers.ControlNetModel.from_unet(pipeline.unet).eval()
    for name, weight in controlnet.named_parameters():
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(weight, std=0.1)
    controlnet.save_pretrained(folder)
    return controlnet


def make_ip_adapter(path, pipeline, width, kind="plain"):
    """Writes an IP-Adapter for an image encoder of this width."""
    torch.manual_seed(2)
    unet, weights = pipeline.unet, {}
    context = unet.config.cross_attention_dim
    if kind == "plain":
        weights["image_proj.proj.weight"] = torch.randn(4 * context, width) * 0.1
        weights["image_proj.proj.bias"] = torch.randn(4 * context)
        weights |= {"image_proj.norm.weight": torch.ones(context), "image_proj.norm.bias": torch.zeros(context)}
    else:
        weights |= {f"image_proj.{key}": value for key, value in make_resampler(width, context).items()}
    attentions = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(attentions):
        hidden = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
        for side in "kv":
            weights[f"ip_adapter.{2 * i + 1}.to_{side}_ip.weight"] = torch.randn(hidden, context) * 0.1
    save_file(weights, path)
    return path


def make_resampler(width, context, hidden=64):
    """Returns the image projection of a plus adapter, with its authors' tensor names."""
    draw = lambda *shape: torch.randn(shape) * 0.1  # noqa: E731
    weights = {"latents": draw(1, 4, hidden), "proj_in.weight": draw(hidden, width), "proj_in.bias": draw(hidden)}
    weights |= {"proj_out.weight": draw(context, hidden), "proj_out.bias": draw(context)}
    weights |= {"norm_out.weight": torch.ones(context), "norm_out.bias": torch.zeros(context)}
    for i in range(4):
        attention, forward = f"layers.{i}.0", f"layers.{i}.1"
        for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{forward}.0"):
            weights |= {f"{norm}.weight": torch.ones(hidden), f"{norm}.bias": torch.zeros(hidden)}
        weights |= {f"{attention}.to_q.weight": draw(64, hidden), f"{attention}.to_kv.weight": draw(128, hidden)}
        weights |= {f"{attention}.to_out.weight": draw(hidden, 64), f"{forward}.1.weight": draw(4 * hidden, hidden)}
        weights[f"{forward}.3.weight"] = draw(hidden, 4 * hidden)
    return weights


def make_encoder(folder, projection=24, hidden=32):
    torch.manual_seed(3)
    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=16,
        projection_dim=projection,
        num_hidden_layers=2,
        num_attention_heads=1,
        image_size=32,
        patch_size=8,
    )
    encoder = CLIPVisionModelWithProjection(config).eval()
    encoder.save_pretrained(folder)
    return encoder


def make_image(seed, size=(SIZE, SIZE)):
    torch.manual_seed(seed)
    return Image.fromarray((torch.rand(*reversed(size), 3) * 255).byte().numpy())


# comparisons with diffusers


@pytest.fixture
def made(checkpoint, tmp_path):
    """A checkpoint, two LoRAs, a ControlNet and an IP-Adapter: their files, and their networks in diffusers."""
    path, config, pipeline = checkpoint
    encoder = make_encoder(tmp_path / "encoder")
    loras = [make_lora(tmp_path / f"{name}.safetensors", pipeline, i) for i, name in enumerate(("my-tcd", "style"))]
    return SimpleNamespace(
        path=path,
        config=config,
        pipeline=pipeline,
        encoder=encoder,
        controlnet=make_controlnet(tmp_path / "controlnet", pipeline),
        loras=[WeightedLoRA(lora, weight) for lora, weight in zip(loras, (1.0, -0.7))],
        control=Guide(tmp_path / "controlnet", make_image(4), 0.6),
        image_prompt=Guide(
            make_ip_adapter(tmp_path / "adapter.safetensors", pipeline, 24),
            make_image(5, (80, 48)),
            0.8,
            str(tmp_path / "encoder"),
        ),
    )


def add_loras(pipeline, loras):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers warns of two LoRAs
        for lora in loras:
            pipeline.load_lora_weights(str(lora.file), adapter_name=lora.file.stem)
    pipeline.set_adapters([lora.file.stem for lora in loras], [lora.weight for lora in loras])


def add_control(pipeline, controlnet):
    """Returns the pipeline with a ControlNet, as an object of diffusers' class for that."""
    is_xl = hasattr(pipeline, "text_encoder_2")
    kind = diffusers.StableDiffusionXLControlNetPipeline if is_xl else diffusers.StableDiffusionControlNetPipeline
    extra = {"add_watermarker": False} if is_xl else {}
    pipeline = kind(**pipeline.components, controlnet=controlnet, **extra)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def add_image_prompt(pipeline, guide, encoder):
    pipeline.register_modules(image_encoder=encoder)
    pipeline.load_ip_adapter(str(guide.file.parent), "", guide.file.name, image_encoder_folder=None)
    pipeline.set_ip_adapter_scale(guide.scale)


def get_latents(model, request):
    """Returns the latents from which generate decodes the image."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        decode = Model.to_images
        patch.setattr(Model, "to_images", lambda self, latents: seen.append(latents) or decode(self, latents))
        generate(model, request)
    return seen[0]


def compare(name, model, pipeline, **options):
    """Compares the latents with those of diffusers' pipeline at both gammas and CFG scales."""
    for gamma in (0.0, 0.3):
        for guidance in (1.0, 2.0):
            theirs = pipeline(
                PROMPT,
                negative_prompt=NEGATIVE,
                width=SIZE,
                height=SIZE,
                num_inference_steps=4,
                guidance_scale=guidance,
                eta=gamma,
                generator=torch.Generator().manual_seed(3),
                output_type="latent",
                **options,
            ).images
            ours = get_latents(model, Request(PROMPT, 4, gamma, 3, negative=NEGATIVE, guidance=guidance, size=SIZE))
            distance = float((ours - theirs).norm() / theirs.norm())
            print(f"\n{name}, {model.size}, gamma {gamma}, CFG {guidance}: {distance:.1e}", end="")
            assert distance <= LIMIT


def differs(a, b):
    """Whether two models' latents differ by much more than the limit."""
    request = Request(PROMPT, guidance=2.0, size=SIZE)
    return (get_latents(a, request) - get_latents(b, request)).norm() / get_latents(b, request).norm() > 1000 * LIMIT


def test_several_loras_match_diffusers(made):
    model = load_checkpoint(made.path, made.loras, made.config)
    add_loras(made.pipeline, made.loras)
    compare("two LoRAs", model, made.pipeline)
    assert differs(model, load_checkpoint(made.path, made.loras[:1], made.config))
    assert differs(model, load_checkpoint(made.path, made.loras[1:], made.config))


def test_a_controlnet_matches_diffusers(made):
    model = load_checkpoint(made.path, config=made.config, controlnet=made.control)
    pipeline = add_control(made.pipeline, made.controlnet)
    compare("ControlNet", model, pipeline, image=made.control.image, controlnet_conditioning_scale=made.control.scale)
    assert differs(model, load_checkpoint(made.path, config=made.config))


@pytest.mark.parametrize("kind", ["plain", "plus"])
def test_an_ip_adapter_matches_diffusers(made, kind):
    guide = made.image_prompt
    make_ip_adapter(guide.file, made.pipeline, {"plain": 24, "plus": 32}[kind], kind)
    model = load_checkpoint(made.path, config=made.config, ip_adapter=guide)
    add_image_prompt(made.pipeline, guide, made.encoder)
    compare(f"IP-Adapter, {kind}", model, made.pipeline, ip_adapter_image=guide.image)
    assert differs(model, load_checkpoint(made.path, config=made.config))


def test_all_of_them_together_match_diffusers(made):
    model = load_checkpoint(made.path, made.loras, made.config, made.control, made.image_prompt)
    add_loras(made.pipeline, made.loras)
    pipeline = add_control(made.pipeline, made.controlnet)
    add_image_prompt(pipeline, made.image_prompt, made.encoder)
    options = {"image": made.control.image, "controlnet_conditioning_scale": made.control.scale}
    compare("all", model, pipeline, ip_adapter_image=made.image_prompt.image, **options)
    image = generate(model, Request(PROMPT, gamma=0.3, size=SIZE))
    assert image.info["parameters"] == (
        f"{PROMPT} <lora:my-tcd:1> <lora:style:-0.7>\n"
        "Steps: 4, Sampler: TCD, Schedule type: TCD, CFG scale: 1, Seed: 0, Size: 64x64, Model: model, RNG: CPU, "
        "TCD gamma: 0.3, "
        'ControlNet 0: "Module: none, Model: controlnet, Weight: 0.6", '
        'ControlNet 1: "Module: ip-adapter-auto, Model: adapter, Weight: 0.8"'
    )


# LoRAs


def test_each_sampler_uses_its_own_loras(made):
    """A TCD LoRA is active only with TCD, an LCM LoRA only with LCM, and a style LoRA with all samplers."""
    lcm = make_lora(made.path.with_name("my-lcm.safetensors"), made.pipeline, 2)
    model = load_checkpoint(made.path, [*made.loras, WeightedLoRA(lcm)], made.config)
    without = load_checkpoint(made.path, made.loras[1:], made.config)
    requests = [Request(PROMPT, sampler=sampler, size=SIZE) for sampler in SAMPLERS.values()]
    names = {"TCD": ["my-tcd", "style"], "LCM": ["style", "my-lcm"], "Euler a": ["style"], "DPM++ 2M": ["style"]}
    for request in requests:
        image = generate(model, request)
        assert re.findall("<lora:([^:]+)", image.info["parameters"]) == names[request.sampler.name]
        assert request.get_guidance(model) == (1 if len(names[request.sampler.name]) == 2 else 7)
        assert request.get_guidance(without) == 7
    last = requests[-1]
    assert torch.equal(get_latents(model, last), get_latents(without, last))
    assert [*compare_samplers(model, last)[0].rows[0]] == [*SAMPLERS]
    assert [*compare_samplers(without, last)[0].rows[0]] == ["TCD", "Euler a", "DPM++ 2M"]


def test_a_new_models_tcd_lora_is_off(made):
    model = load_checkpoint(made.path, made.loras[:1], made.config)
    plain = load_checkpoint(made.path, config=made.config)
    (ours, _), (theirs, _) = (each.encode([PROMPT], "", SIZE, SIZE) for each in (model, plain))
    assert torch.equal(ours["encoder_hidden_states"], theirs["encoder_hidden_states"])
    arguments = torch.randn(1, 4, 8, 8), torch.tensor([500])
    assert torch.equal(model.unet(*arguments, **ours).sample, plain.unet(*arguments, **ours).sample)


TITLE = {"modelspec.title": "Latent consistency LoRA"}
LIKE_A_DISTILLATION = {f"lora_unet_down_blocks_{i}.lora_down.weight": torch.zeros(64, 1) for i in range(834)}
SMALL = {"lora_unet_down_blocks_0.lora_down.weight": torch.zeros(64, 1)}


@pytest.mark.parametrize(
    ("name", "tensors", "metadata", "expected"),
    [
        ("my-tcd", SMALL, {}, TCD),
        ("Hyper-SDXL-1step-lora", SMALL, {}, TCD),
        ("my-lcm", SMALL, {}, LCM),
        ("my-tcd", SMALL, TITLE, LCM),
        ("sdxl_lightning_4step_lora", LIKE_A_DISTILLATION, {}, None),
        ("unknown", LIKE_A_DISTILLATION, {}, TCD),
        ("unknown", SMALL, {}, None),
    ],
)
def test_a_loras_sampler_is_found_by_metadata_name_and_layout(tmp_path, name, tensors, metadata, expected):
    save_file(tensors, tmp_path / f"{name}.safetensors", metadata)
    assert find_sampler(tmp_path / f"{name}.safetensors") == (expected and expected.lora)


def test_a_published_lora_is_found_by_its_hash(tmp_path, monkeypatch):
    path = tmp_path / "pytorch_lora_weights.safetensors"
    save_file(SMALL, path)
    catalogue = Catalogue({"methods": {}, "files": {}})
    catalogue.files = [replace(CATALOGUE.for_tcd[0], size=path.stat().st_size, sha256=compute_sha256(path))]
    catalogue.methods = CATALOGUE.methods
    monkeypatch.setattr("tcd_sampler.lab.demo.lora.CATALOGUE", catalogue)
    assert find_sampler(path) == TCD.lora


def test_describe_use_names_a_loras_samplers():
    assert describe_use(LoRA("a", 1, "lcm")) == messages.LORA_FOR_SAMPLER.format(lora="a", sampler="LCM")
    assert describe_use(LoRA("a")) == messages.LORA_FOR_ALL.format(lora="a")


# files


def to_original(weights):
    """Returns a ControlNet's tensors under the names in its authors' code."""
    rules = {
        r"^controlnet_cond_embedding\.conv_in": "input_hint_block.0",
        r"^controlnet_cond_embedding\.conv_out": "input_hint_block.14",
        r"^controlnet_down_blocks\.(\d+)": r"zero_convs.\1.0",
        r"^controlnet_mid_block": "middle_block_out.0",
    }
    rules |= {rf"^controlnet_cond_embedding\.blocks\.{i}\.": f"input_hint_block.{2 * i + 2}." for i in range(6)}
    keys = get_unet_keys([name for name in weights if not name.startswith("controlnet_")])
    keys |= {name: UNET + replace_all(name, rules) for name in weights if name not in keys}
    return {key.replace(UNET, "control_model."): weights[name] for name, key in keys.items()}


def test_a_controlnet_in_a_single_file_gives_the_same_latents(made):
    """Checks diffusers' layout, and for SD 1.5 the original one with and without its prefix."""
    weights = load_file(made.control.file / CONTROLNET_WEIGHTS)
    layouts = {"diffusers": weights}
    if "add_embedding.linear_1.weight" not in weights:
        original = to_original(weights)
        layouts["original"] = original
        layouts["bare"] = {key.removeprefix("control_model."): tensor for key, tensor in original.items()}
    request = Request(PROMPT, guidance=2.0, size=SIZE)
    expected = get_latents(load_checkpoint(made.path, config=made.config, controlnet=made.control), request)
    for name, tensors in layouts.items():
        path = made.path.with_name(f"{name}.safetensors")
        save_file(tensors, path)
        check_controlnet(path, read_family(made.path))
        model = load_checkpoint(made.path, config=made.config, controlnet=replace(made.control, file=path))
        assert torch.equal(get_latents(model, request), expected), name


def test_files_that_do_not_fit_are_refused(made):
    """The files lack tensors, which the check of the header does not detect."""
    weights = load_file(made.control.file / CONTROLNET_WEIGHTS)
    del weights["controlnet_mid_block.bias"]
    path = made.path.with_name("part.safetensors")
    save_file(weights, path)
    with refused(messages.GUIDE_DOES_NOT_FIT, field="--controlnet", file="part.safetensors"):
        load_checkpoint(made.path, config=made.config, controlnet=replace(made.control, file=path))
    for key in ("image_proj.norm.bias", "ip_adapter.1.to_k_ip.weight"):
        weights = load_file(made.image_prompt.file)
        del weights[key]
        save_file(weights, path)
        with refused(messages.GUIDE_DOES_NOT_FIT, field="--ip-adapter", file="part.safetensors"):
            load_checkpoint(made.path, config=made.config, ip_adapter=replace(made.image_prompt, file=path))
    save_file({"visual_projection.weight": torch.zeros(24, 32)}, Path(made.image_prompt.encoder) / "model.safetensors")
    with refused(messages.GUIDE_DOES_NOT_FIT, field="--ip-adapter"):
        load_checkpoint(made.path, config=made.config, ip_adapter=made.image_prompt)


@pytest.mark.parametrize("encoder", ["owner/none", "owner/none/folder"])
def test_an_image_encoder_that_cannot_be_downloaded_is_refused(monkeypatch, encoder):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with refused(messages.CANNOT_DOWNLOAD_ENCODER, encoder=encoder):
        get_image_encoder(Guide(Path("adapter.safetensors"), make_image(0), encoder=encoder))


def test_an_image_encoder_is_downloaded_from_its_folder(made, monkeypatch, tmp_path):
    asked = []
    (tmp_path / "hub" / "models").mkdir(parents=True)
    Path(made.image_prompt.encoder).rename(tmp_path / "hub" / "models" / "encoder")
    monkeypatch.setattr(
        "tcd_sampler.lab.demo.download.snapshot_download",
        lambda repository, allow_patterns: asked.append((repository, allow_patterns)) or str(tmp_path / "hub"),
    )
    folder = get_image_encoder(replace(made.image_prompt, encoder="owner/name/models/encoder"))
    assert folder == tmp_path / "hub" / "models" / "encoder"
    assert asked == [("owner/name", ["models/encoder/config.json", "models/encoder/model.safetensors"])]


# shapes, and the command


def test_an_image_has_the_shape_of_the_control_image(made):
    guide = replace(made.control, image=make_image(6, (90, 61)))
    model = load_checkpoint(made.path, config=made.config, controlnet=guide)
    request = Request(PROMPT, 1, size=SIZE)
    assert get_size(model, request) == generate(model, request).size == (96, 64)
    assert describe_scaling(model, request) == messages.SCALED.format(
        field="--control-image", before="90x61", after="96x64"
    )
    start = replace(request, image=make_image(7, (64, 128)))
    assert get_size(model, start) == generate(model, start).size == (64, 128)


def test_the_command_accepts_all_of_them(made, tmp_path, capsys):
    made.control.image.save(tmp_path / "edges.png")
    made.image_prompt.image.save(tmp_path / "person.png")
    arguments = ["--prompt", PROMPT, "--checkpoint", made.path, "--config", made.config, "--size", SIZE]
    for lora in made.loras:
        arguments += ["--lora", f"{lora.file}:{lora.weight}"]
    arguments += ["--controlnet", made.control.file, "--control-image", tmp_path / "edges.png", "--control-scale", 0.6]
    arguments += ["--ip-adapter", made.image_prompt.file, "--ip-adapter-image", tmp_path / "person.png"]
    arguments += ["--ip-adapter-scale", 0.8, "--image-encoder", made.image_prompt.encoder]
    assert main(["generate", *map(str, arguments), "--output", str(tmp_path / "image.png")]) == 0
    model = load_checkpoint(made.path, made.loras, made.config, made.control, made.image_prompt)
    expected = generate(model, Request(PROMPT, size=SIZE))
    with Image.open(tmp_path / "image.png") as image:
        assert image.tobytes() == expected.tobytes()
        assert image.text["parameters"] == expected.info["parameters"]
    told = capsys.readouterr().err
    assert messages.LORA_FOR_SAMPLER.format(lora="my-tcd", sampler="TCD") in told
    assert messages.LORA_FOR_ALL.format(lora="style") in told
