"""Writes small checkpoints in SD 1.5's own layout, which every WebUI takes.

Those that guess a model's kind do it from its keys and widths; the others read the configuration beside it.

The text encoder and the VAE are of full size, since the former kind of WebUI wants them so; the UNet has one level
instead of four. The weights are random, but in a frame that lets images through: every block adds a little to what
it is given, and the last layer of the UNet answers with its input, made unit variance. As a prediction of the noise
that is a fair one, so latents and images keep a sensible range at any number of steps, and what comes out depends on
seed, prompt, size and initial image.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

TEXT_WIDTH, TEXT_LAYERS, VOCABULARY, TOKENS = 768, 12, 49408, 77
UNET_WIDTH, TIME_WIDTH = 320, 1280
VAE_WIDTHS = [128, 256, 512, 512]
SIGNALS = 4
"""Channels of latents; images have one less."""

MEAN = 0.5
"""Of a prompt's encoding: WebUIs divide by it to emphasise words, and about 0 the result would be anything."""

BRANCH = 0.3
"""Size of what a block adds to what it is given."""


@dataclass(frozen=True)
class Variant:
    """What distinguishes one checkpoint from the others."""

    prediction: str = "eps"
    channels: int = 4
    """Of latents 4, and what else there is of the initial image: 5 for inpainting, 4 for instructions to edit it."""

    seed: int = 0


VARIANTS = {
    "small-sd15": Variant(),
    "small-sd15-inpaint": Variant(channels=9),
    "small-sd15-edit": Variant(channels=8),
    "small-sd15-v": Variant(prediction="v"),
    "small-sd15-refiner": Variant(seed=1),
}

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def layer(name: str, *shape: int) -> Shapes:
    """A linear layer or a convolution, or a norm where there is but one size."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def text_encoder() -> Shapes:
    model = "cond_stage_model.transformer.text_model"
    yield f"{model}.embeddings.token_embedding.weight", (VOCABULARY, TEXT_WIDTH)
    yield f"{model}.embeddings.position_embedding.weight", (TOKENS, TEXT_WIDTH)
    for i in range(TEXT_LAYERS):
        block = f"{model}.encoder.layers.{i}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from layer(f"{block}.self_attn.{projection}", TEXT_WIDTH, TEXT_WIDTH)
        yield from layer(f"{block}.mlp.fc1", 4 * TEXT_WIDTH, TEXT_WIDTH)
        yield from layer(f"{block}.mlp.fc2", TEXT_WIDTH, 4 * TEXT_WIDTH)
        yield from layer(f"{block}.layer_norm1", TEXT_WIDTH)
        yield from layer(f"{block}.layer_norm2", TEXT_WIDTH)
    yield from layer(f"{model}.final_layer_norm", TEXT_WIDTH)


def unet_resblock(name: str, width_in: int, width: int = UNET_WIDTH, time_width: int = TIME_WIDTH) -> Shapes:
    yield from layer(f"{name}.in_layers.0", width_in)
    yield from layer(f"{name}.in_layers.2", width, width_in, 3, 3)
    yield from layer(f"{name}.emb_layers.1", width, time_width)
    yield from layer(f"{name}.out_layers.0", width)
    yield from layer(f"{name}.out_layers.3", width, width, 3, 3)
    if width_in != width:
        yield from layer(f"{name}.skip_connection", width, width_in, 1, 1)


def transformer(name: str, width: int = UNET_WIDTH) -> Shapes:
    yield from layer(f"{name}.norm", width)
    yield from layer(f"{name}.proj_in", width, width, 1, 1)
    block = f"{name}.transformer_blocks.0"
    for attention, context in (("attn1", width), ("attn2", TEXT_WIDTH)):
        yield f"{block}.{attention}.to_q.weight", (width, width)
        yield f"{block}.{attention}.to_k.weight", (width, context)
        yield f"{block}.{attention}.to_v.weight", (width, context)
        yield from layer(f"{block}.{attention}.to_out.0", width, width)
    yield from layer(f"{block}.ff.net.0.proj", 8 * width, width)
    yield from layer(f"{block}.ff.net.2", width, 4 * width)
    for i in (1, 2, 3):
        yield from layer(f"{block}.norm{i}", width)
    yield from layer(f"{name}.proj_out", width, width, 1, 1)


def unet(channels: int) -> Shapes:
    model = "model.diffusion_model"
    yield from layer(f"{model}.time_embed.0", TIME_WIDTH, UNET_WIDTH)
    yield from layer(f"{model}.time_embed.2", TIME_WIDTH, TIME_WIDTH)
    yield from layer(f"{model}.input_blocks.0.0", UNET_WIDTH, channels, 3, 3)
    for i in (1, 2):
        yield from unet_resblock(f"{model}.input_blocks.{i}.0", UNET_WIDTH)
        yield from transformer(f"{model}.input_blocks.{i}.1")
    yield from unet_resblock(f"{model}.middle_block.0", UNET_WIDTH)
    yield from transformer(f"{model}.middle_block.1")
    yield from unet_resblock(f"{model}.middle_block.2", UNET_WIDTH)
    for i in (0, 1, 2):
        yield from unet_resblock(f"{model}.output_blocks.{i}.0", 2 * UNET_WIDTH)
        yield from transformer(f"{model}.output_blocks.{i}.1")
    yield from layer(f"{model}.out.0", UNET_WIDTH)
    yield from layer(f"{model}.out.2", 4, UNET_WIDTH, 3, 3)


def vae_resblock(name: str, width_in: int, width: int) -> Shapes:
    yield from layer(f"{name}.norm1", width_in)
    yield from layer(f"{name}.conv1", width, width_in, 3, 3)
    yield from layer(f"{name}.norm2", width)
    yield from layer(f"{name}.conv2", width, width, 3, 3)
    if width_in != width:
        yield from layer(f"{name}.nin_shortcut", width, width_in, 1, 1)


def vae_middle(name: str, width: int) -> Shapes:
    yield from vae_resblock(f"{name}.block_1", width, width)
    yield from layer(f"{name}.attn_1.norm", width)
    for projection in ("q", "k", "v", "proj_out"):
        yield from layer(f"{name}.attn_1.{projection}", width, width, 1, 1)
    yield from vae_resblock(f"{name}.block_2", width, width)


def vae() -> Shapes:
    model, top = "first_stage_model", len(VAE_WIDTHS) - 1
    yield from layer(f"{model}.encoder.conv_in", VAE_WIDTHS[0], 3, 3, 3)
    before = VAE_WIDTHS[0]
    for level, width in enumerate(VAE_WIDTHS):
        for i in (0, 1):
            yield from vae_resblock(f"{model}.encoder.down.{level}.block.{i}", before, width)
            before = width
        if level < top:
            yield from layer(f"{model}.encoder.down.{level}.downsample.conv", width, width, 3, 3)
    yield from vae_middle(f"{model}.encoder.mid", before)
    yield from layer(f"{model}.encoder.norm_out", before)
    yield from layer(f"{model}.encoder.conv_out", 8, before, 3, 3)
    yield from layer(f"{model}.quant_conv", 8, 8, 1, 1)
    yield from layer(f"{model}.post_quant_conv", 4, 4, 1, 1)
    yield from layer(f"{model}.decoder.conv_in", before, 4, 3, 3)
    yield from vae_middle(f"{model}.decoder.mid", before)
    for level, width in reversed(list(enumerate(VAE_WIDTHS))):
        for i in (0, 1, 2):
            yield from vae_resblock(f"{model}.decoder.up.{level}.block.{i}", before, width)
            before = width
        if level > 0:
            yield from layer(f"{model}.decoder.up.{level}.upsample.conv", width, width, 3, 3)
    yield from layer(f"{model}.decoder.norm_out", before)
    yield from layer(f"{model}.decoder.conv_out", 3, before, 3, 3)


# Channels come in pairs of a signal and its negative: silu(z) - silu(-z) = z, so what a convolution of the first kind
# has spread, one of the second kind gathers behind the last norm's activation.
SPREADING = (".input_blocks.0.0.weight", ".conv_in.weight")
GATHERING = (".out.2.weight", ".conv_out.weight")
PASSING = ("skip_connection.weight", "nin_shortcut.weight", "sample.conv.weight", "quant_conv.weight")
BRANCHING = (".out_layers.3.weight", ".proj_out.weight", ".conv2.weight")
SHARP = (".attn2.to_q.weight", ".attn2.to_k.weight")
"""Attention to the prompt, which is to pick words out."""


def make_weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A weight of a layer, in the frame that lets images through."""
    if name.endswith("final_layer_norm.bias"):
        return torch.full(shape, MEAN)
    if name.endswith(".bias"):
        return torch.zeros(shape)
    if len(shape) == 1:
        return torch.ones(shape)
    if "embedding" in name:
        return torch.randn(shape) * 0.5
    random = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
    if name.endswith(PASSING):
        return copy(shape, [out % shape[1] for out in range(shape[0])])
    if name.endswith(SPREADING):
        return copy(shape, [out // 2 % SIGNALS % shape[1] for out in range(shape[0])], signs=(1, -1))
    if name.endswith(GATHERING):
        return gather(shape) + 0.1 * random
    gain = BRANCH if name.endswith(BRANCHING) else 2.0 if name.endswith(SHARP) else 1.0
    return gain * random


def copy(shape: tuple[int, ...], sources: list[int], signs: tuple[int, ...] = (1,)) -> torch.Tensor:
    """A convolution that copies to each channel out one channel in."""
    weight = torch.zeros(shape)
    for out, source in enumerate(sources):
        weight[out, source, shape[2] // 2, shape[3] // 2] = signs[out % len(signs)]
    return weight


def gather(shape: tuple[int, ...]) -> torch.Tensor:
    """Turns pairs back into signals, each the mean of the pairs that hold it."""
    weight = torch.zeros(shape)
    gain = 0.4 if shape[0] < SIGNALS else 1.0  # images have less than unit variance, or they would be clipped
    for channel in range(shape[1]):
        signal = channel // 2 % SIGNALS
        if signal < shape[0]:
            sign = 1 if channel % 2 == 0 else -1
            weight[signal, channel, shape[2] // 2, shape[3] // 2] = sign * gain * 2 * SIGNALS / shape[1]
    return weight


def write(folder: Path, name: str) -> None:
    """Writes one checkpoint."""
    variant = VARIANTS[name]
    weights = {}
    # one text encoder and one VAE for all, so that a refiner can go on with another's latents
    for seed, part in ((0, text_encoder()), (0, vae()), (variant.seed, unet(variant.channels))):
        torch.manual_seed(seed)
        weights.update({key: make_weight(key, shape).half() for key, shape in part})
    weights["first_stage_model.encoder.conv_out.bias"][4:] = -30.0  # of the log variance: encoding draws no noise
    positions = torch.arange(TOKENS)[None]
    weights["cond_stage_model.transformer.text_model.embeddings.position_ids"] = positions
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / f"{name}.safetensors")
    (folder / f"{name}.yaml").write_text(
        json.dumps({"model": model_config(variant, write_text_config(folder))}), encoding="utf-8"
    )


def write_text_config(folder: Path) -> Path:
    """The text encoder's configuration; the vocabulary beside it is the tiny SDXL checkpoints'."""
    text_folder = folder.parent / "clip-l"
    text_folder.mkdir(exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        link = text_folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(folder.parent / "clip" / name)
    config = {
        "model_type": "clip_text_model", "vocab_size": VOCABULARY, "max_position_embeddings": TOKENS,
        "hidden_size": TEXT_WIDTH, "projection_dim": TEXT_WIDTH, "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": TEXT_LAYERS, "num_attention_heads": TEXT_WIDTH // 64, "hidden_act": "quick_gelu",
        "bos_token_id": VOCABULARY - 2, "eos_token_id": VOCABULARY - 1, "pad_token_id": VOCABULARY - 1,
    }  # fmt: skip
    (text_folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    # the AMD fork wants to load weights before it loads the checkpoint's; what they are does not matter
    save_file({"none": torch.zeros(1)}, text_folder / "model.safetensors", {"format": "pt"})
    return text_folder


def model_config(variant: Variant, text_folder: Path) -> dict:
    """SD 1.5's configuration with the UNet cut down, for WebUIs that read one; JSON is YAML too."""
    vae_config = {
        "double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": VAE_WIDTHS[0],
        "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    unet_config = {
        "image_size": 32, "in_channels": variant.channels, "out_channels": 4, "model_channels": UNET_WIDTH,
        "attention_resolutions": [1], "num_res_blocks": 2, "channel_mult": [1], "num_heads": 8,
        "use_spatial_transformer": True, "transformer_depth": 1, "context_dim": TEXT_WIDTH,
        "use_checkpoint": False, "legacy": False,
    }  # fmt: skip
    target = {
        4: "ldm.models.diffusion.ddpm.LatentDiffusion",
        8: "modules.models.diffusion.ddpm_edit.LatentDiffusion",
        9: "ldm.models.diffusion.ddpm.LatentInpaintDiffusion",
    }
    return {
        "target": target[variant.channels],
        "params": {
            "linear_start": 0.00085, "linear_end": 0.012, "timesteps": 1000, "scale_factor": 0.18215,
            "parameterization": variant.prediction, "first_stage_key": "jpg", "monitor": "val/loss_simple_ema",
            "cond_stage_key": "edit" if variant.channels == 8 else "txt",
            "conditioning_key": "crossattn" if variant.channels == 4 else "hybrid",
            "image_size": 64, "channels": 4, "cond_stage_trainable": False, "use_ema": False,
            **({"finetune_keys": None} if variant.channels == 9 else {}),
            "unet_config": {"target": "ldm.modules.diffusionmodules.openaimodel.UNetModel", "params": unet_config},
            "first_stage_config": {
                "target": "ldm.models.autoencoder.AutoencoderKL",
                "params": {
                    "embed_dim": 4, "monitor": "val/rec_loss", "ddconfig": vae_config,
                    "lossconfig": {"target": "torch.nn.Identity"},
                },
            },
            "cond_stage_config": {
                "target": "ldm.modules.encoders.modules.FrozenCLIPEmbedder",
                "params": {"version": str(text_folder), "device": "cpu"},
            },
        },
    }  # fmt: skip
