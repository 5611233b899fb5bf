"""The layers that distillation LoRAs train, read from diffusers' UNets, and the tensor shapes of such LoRAs."""

import re
from functools import cache

import torch
from diffusers import UNet2DConditionModel

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"
TEXT = "text_model.encoder.layers.0.self_attn"
"""Module names: a transformer block of diffusers' UNets, and a self-attention of the text encoders."""

CONFIGS = {
    "SD 1.5": {"cross_attention_dim": 768},
    "SD 2.1": {"cross_attention_dim": 1024, "use_linear_projection": True},
    "SDXL": {
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
    },
}

# the layers that LCM's training script trains
TRAINED = re.compile(
    r"(to_[qkv]|to_out\.0|proj_(in|out)|ff\.net\.(0\.proj|2)|conv[12]|conv_shortcut|time_emb_proj|samplers\.0\.conv)$"
)


@cache
def find_layers(family):
    """Returns the weight shapes of a UNet's trained layers, by layer name."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**CONFIGS[family])
    return {name: tuple(module.weight.shape) for name, module in unet.named_modules() if TRAINED.search(name)}


def get_shapes(weight, rank):
    """Returns the shapes of a layer's down and up weights."""
    output, inputs, *kernel = weight
    return (rank, inputs, *kernel), (output, rank, *(1 for _ in kernel))


def name_kohya(layers, rank=64):
    """Returns the tensor shapes of a LoRA in kohya's format, as in nearly every published distillation."""
    shapes = {}
    for name, weight in layers.items():
        prefix = f"lora_unet_{name.replace('.', '_')}"
        down, up = get_shapes(weight, rank)
        shapes |= {f"{prefix}.alpha": (), f"{prefix}.lora_down.weight": down, f"{prefix}.lora_up.weight": up}
    return shapes
