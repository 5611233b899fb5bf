"""Makes diffusers pipelines with tiny random networks, and the tensors of their checkpoints."""

import diffusers
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tcd_sampler.lab.miniature import CLIP
from tcd_sampler.lab.miniature.architecture import BETAS, UNET, VAE
from tcd_sampler.lab.miniature.layout import to_sdxl


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
    tensors |= {prefix + name.removeprefix("text_model."): value.half() for name, value in text.state_dict().items()}
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
    """Returns a text encoder's tensors in the layout of SDXL's second one."""
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
