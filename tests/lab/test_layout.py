"""Compares the miniature's keys and values with how diffusers reads SDXL's layout."""

import json

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, TCDScheduler, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from tcd_sampler.lab import messages
from tcd_sampler.lab.command import main
from tcd_sampler.lab.demo.generation import Request, generate
from tcd_sampler.lab.demo.samplers import TCD
from tcd_sampler.lab.miniature import CLIP, LORAS
from tcd_sampler.lab.miniature.architecture import BETAS
from tcd_sampler.lab.miniature.vocabulary import get_words, write_vocabulary
from tcd_sampler.loras.checkpoint import read_family
from tcd_sampler.loras.header import KOHYA, SDXL, read_lora


@pytest.mark.parametrize(("kind", "name"), [(UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")])
def test_diffusers_reads_the_single_file(trained, model, tmp_path, kind, name):
    part = getattr(model, name)
    part.save_config(tmp_path / name)
    theirs = kind.from_single_file(str(trained.checkpoint), config=str(tmp_path), subfolder=name).state_dict()
    ours = {key.replace(".base_layer.", "."): value for key, value in part.state_dict().items() if "lora_" not in key}
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        assert torch.equal(value, ours[key]), key


def test_parts_have_sdxls_prefixes(trained):
    with safe_open(trained.checkpoint, framework="pt") as file:
        keys = set(file.keys())
    prefixes = {"model.diffusion_model", "first_stage_model", "conditioner.embedders.0", "conditioner.embedders.1"}
    assert {key for key in keys if not key.startswith(tuple(prefixes))} == set()
    for key in (
        "model.diffusion_model.input_blocks.3.0.op.weight",
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight",
        "model.diffusion_model.label_emb.0.0.weight",
        "model.diffusion_model.output_blocks.5.2.conv.weight",
        "first_stage_model.decoder.up.3.block.0.norm1.weight",
        "first_stage_model.quant_conv.weight",
        "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    ):
        assert key in keys
    assert read_family(trained.checkpoint) == SDXL


def test_diffusers_pipeline_generates_the_same_image(model):
    """The pipeline uses its own scheduler. Only the prompt's encoding comes from this project's code."""
    model.use_lora("tcd")
    text, _ = model.encode(["a red ball in the middle, on grass, by day"], "", 128, 128)
    pipeline = StableDiffusionXLPipeline(
        model.vae, None, None, None, None, model.unet, TCDScheduler(**BETAS), add_watermarker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt_embeds=text["encoder_hidden_states"],
        pooled_prompt_embeds=text["added_cond_kwargs"]["text_embeds"],
        width=128,
        height=128,
        num_inference_steps=4,
        guidance_scale=0,
        eta=0.0,
        generator=torch.Generator().manual_seed(5),
        output_type="pt",
    ).images[0]
    request = Request("a red ball in the middle, on grass, by day", gamma=0.0, seed=5, sampler=TCD)
    ours = torch.tensor(list(generate(model, request).tobytes())).reshape(128, 128, 3).permute(2, 0, 1) / 255
    assert (ours - theirs).abs().max() < 2 / 255


def test_loras_have_kohyas_format_and_metadata(trained):
    for name, path in trained.loras.items():
        lora = read_lora(path)
        assert (lora.format, lora.rank, lora.has_text_encoder) == (KOHYA, 12, False)
        assert lora.metadata["ss_base_model_version"] == "sdxl_base_v1-0"
        assert name.upper() in lora.metadata["modelspec.title"]


def test_latents_have_unit_variance(trained, model):
    latents = load_file(trained.folder / "latents.safetensors")["latents"].float()
    assert latents.mean((0, 2, 3)).abs().max() < 0.1
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.1


def test_every_word_of_the_captions_is_a_token():
    tokenizer = CLIPTokenizer.from_pretrained(CLIP)
    for word in get_words():
        assert len(tokenizer(word)["input_ids"]) == 3, word
    assert tokenizer.decode(tokenizer("Ünheard of!")["input_ids"], skip_special_tokens=True) == "ünheard of !"


def test_the_bundled_vocabulary_equals_the_written_one(tmp_path):
    write_vocabulary(tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_text(encoding="utf-8") == (CLIP / path.name).read_text(encoding="utf-8")


def test_installing_the_miniature_in_a_webui(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tcd_sampler.lab.miniature.install.CHECKPOINT", trained.checkpoint)
    monkeypatch.setattr("tcd_sampler.lab.miniature.install.LORAS", trained.loras)
    assert main(["install-miniature", str(tmp_path)]) == 1
    assert capsys.readouterr().err == messages.NOT_A_WEBUI.format(folder=tmp_path) + "\n"
    (tmp_path / "models").mkdir()
    assert main(["install-miniature", str(tmp_path)]) == 0
    files = {path.relative_to(tmp_path / "models").as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    clip = {f"miniature-clip/{name}" for name in ("vocab.json", "merges.txt", "config.json", "model.safetensors")}
    loras = {f"Lora/{path.name}" for path in LORAS.values()}
    assert files == {"Stable-diffusion/miniature.safetensors", "Stable-diffusion/miniature.yaml", *clip, *loras}
    config = json.loads((tmp_path / "models/Stable-diffusion/miniature.yaml").read_text(encoding="utf-8"))["model"][
        "params"
    ]
    [first, second, *_] = config["conditioner_config"]["params"]["emb_models"]
    assert first["params"]["version"] == second["params"]["version"] == str(tmp_path / "models" / "miniature-clip")
