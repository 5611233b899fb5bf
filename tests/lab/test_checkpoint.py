"""Single-file checkpoints of SDXL and SD 1.5, tiny ones, through load_checkpoint and through diffusers' pipelines."""

import diffusers
import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tcd_sampler.errors import UserError
from tcd_sampler.lab.demo.checkpoint import load_checkpoint
from tcd_sampler.lab.demo.generation import Request, generate
from tcd_sampler.lab.miniature import CLIP
from tcd_sampler.lab.miniature.architecture import BETAS, UNET, VAE
from tcd_sampler.lab.miniature.layout import get_unet_keys, to_sdxl

pytestmark = pytest.mark.slow

PROMPT = "a red ball in the middle"
SIZE = 64


def make_text_encoder(kind, width):
    tokenizer = make_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        hidden_act="gelu",
    )
    return kind(config).eval()


def make_sd15():
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=[32, 64],
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        cross_attention_dim=768,
        attention_head_dim=8,
    )
    text = make_text_encoder(CLIPTextModel, 768)
    parts = {"text_encoder": text, "safety_checker": None, "feature_extractor": None}
    pipeline = diffusers.StableDiffusionPipeline(
        vae=make_vae(), tokenizer=make_tokenizer(), unet=unet, scheduler=make_scheduler(), **parts
    )
    tensors = to_sdxl(unet, pipeline.vae, [])
    prefix = "cond_stage_model.transformer.text_model."
    tensors |= {prefix + name.removeprefix("text_model."): value for name, value in text.state_dict().items()}
    return pipeline, tensors


def make_sdxl():
    config = UNET | {"cross_attention_dim": 32 + 64, "projection_class_embeddings_input_dim": 6 * 32 + 64}
    unet = diffusers.UNet2DConditionModel(**config)
    first, second = make_text_encoder(CLIPTextModel, 32), make_text_encoder(CLIPTextModelWithProjection, 64)
    parts = {"text_encoder": first, "text_encoder_2": second, "tokenizer_2": make_tokenizer()}
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=make_vae(),
        tokenizer=make_tokenizer(),
        unet=unet,
        scheduler=make_scheduler(),
        add_watermarker=False,
        **parts,
    )
    return pipeline, to_sdxl(unet, pipeline.vae, [first]) | to_open_clip(second)


def make_vae():
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(**VAE | {"block_out_channels": [32] * 4})


def make_tokenizer():
    return CLIPTokenizer.from_pretrained(CLIP, model_max_length=77)


def make_scheduler():
    return diffusers.TCDScheduler(**BETAS)


def to_open_clip(text):
    """As SDXL's second text encoder is stored."""
    weights = text.state_dict()
    model = "conditioner.embedders.1.model."
    tensors = {
        "token_embedding.weight": weights["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": weights["text_model.embeddings.position_embedding.weight"],
        "text_projection": weights["text_projection.weight"].T,
    }
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    names["self_attn.out_proj"] = "attn.out_proj"
    for kind in ("weight", "bias"):
        tensors[f"ln_final.{kind}"] = weights[f"text_model.final_layer_norm.{kind}"]
        for i in range(2):
            layer, block = f"text_model.encoder.layers.{i}", f"transformer.resblocks.{i}"
            for name, theirs in names.items():
                tensors[f"{block}.{theirs}.{kind}"] = weights[f"{layer}.{name}.{kind}"]
            qkv = [weights[f"{layer}.self_attn.{side}_proj.{kind}"] for side in "qkv"]
            tensors[f"{block}.attn.in_proj_{kind}"] = torch.cat(qkv)
    return {model + name: tensor.half().contiguous() for name, tensor in tensors.items()}


@pytest.fixture(params=[make_sd15, make_sdxl], ids=["SD 1.5", "SDXL"])
def checkpoint(request, tmp_path):
    torch.manual_seed(0)
    pipeline, tensors = request.param()
    pipeline.save_pretrained(tmp_path / "config")
    save_file(tensors, tmp_path / "model.safetensors")
    half = pipeline.to(torch.float16).to(torch.float32)
    half.set_progress_bar_config(disable=True)
    return tmp_path / "model.safetensors", str(tmp_path / "config"), half


def test_it_matches_diffusers_pipeline(checkpoint):
    path, config, pipeline = checkpoint
    model = load_checkpoint(path, config=config)
    theirs = pipeline(
        PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=4,
        guidance_scale=0,
        eta=0.0,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    ours = generate(model, Request(PROMPT, gamma=0.0, guidance=1.0, seed=3, size=SIZE))
    assert theirs.size == ours.size == (SIZE, SIZE)
    assert max(abs(a - b) for a, b in zip(theirs.tobytes(), ours.tobytes())) <= 2


def test_guidance_and_a_negative_prompt_are_diffusers(checkpoint):
    path, config, pipeline = checkpoint
    model = load_checkpoint(path, config=config)
    options = {"width": SIZE, "height": SIZE, "num_inference_steps": 4, "guidance_scale": 3.0, "eta": 0.0}
    for negative in ("", "a tree"):
        generator = torch.Generator().manual_seed(3)
        theirs = pipeline(PROMPT, negative_prompt=negative or None, generator=generator, **options).images[0]
        ours = generate(model, Request(PROMPT, gamma=0.0, guidance=3.0, seed=3, size=SIZE, negative=negative))
        assert max(abs(a - b) for a, b in zip(theirs.tobytes(), ours.tobytes())) <= 2


def test_a_lora_is_for_tcd_alone(checkpoint, tmp_path):
    path, config, pipeline = checkpoint
    names = [key for key in get_unet_keys(list(pipeline.unet.state_dict())) if key.endswith("attn2.to_k.weight")]
    weights = {}
    for name in names:
        kohya = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
        width, context = pipeline.unet.state_dict()[name].shape
        weights |= {f"{kohya}.lora_down.weight": torch.randn(4, context), f"{kohya}.alpha": torch.tensor(4.0)}
        weights[f"{kohya}.lora_up.weight"] = torch.randn(width, 4)
    save_file(weights, tmp_path / "lora.safetensors")
    model = load_checkpoint(path, tmp_path / "lora.safetensors", config)
    assert model.loras == {"tcd": "lora"}
    request = Request(PROMPT, size=SIZE, guidance=1.0)
    with_lora = generate(model, request).tobytes()
    model.use_lora(None)
    assert with_lora != generate(load_checkpoint(path, config=config), request).tobytes()
    assert request.get_guidance(model) == 1
    assert Request(PROMPT).get_guidance(model) == 1
    assert Request(PROMPT).get_guidance(load_checkpoint(path, config=config)) == 7


def test_a_checkpoint_with_a_missing_part_is_refused(checkpoint):
    path, config, pipeline = checkpoint
    tensors = {key: value for key, value in to_sdxl(pipeline.unet, pipeline.vae, []).items() if "decoder" not in key}
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"^model.safetensors (cannot be loaded as a|is not a complete) "):
        load_checkpoint(path, config=config)
