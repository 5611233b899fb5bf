"""Writes small checkpoints in SD 1.5's layout, which every WebUI accepts.

Some WebUIs detect a model's type from its keys and widths. The others read the configuration beside the checkpoint.

The text encoder and the VAE have full size, which the former WebUIs need. The UNet has one level instead of four. The
weights are random.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from .checkpoint_layers import (
    TEXT_LAYERS,
    TEXT_WIDTH,
    TOKENS,
    UNET_WIDTH,
    VAE_WIDTHS,
    VOCABULARY,
    Unet,
    make_weights,
    text_encoder,
    vae,
    write_weights,
)


@dataclass(frozen=True)
class Variant:
    """What distinguishes one checkpoint from the others."""

    prediction: str = "eps"
    channels: int = 4
    """4 for the latents, and more for the initial image: 5 for inpainting, 4 for editing by instructions."""

    seed: int = 0


VARIANTS = {
    "small-sd15": Variant(),
    "small-sd15-inpaint": Variant(channels=9),
    "small-sd15-edit": Variant(channels=8),
    "small-sd15-v": Variant(prediction="v"),
    "small-sd15-refiner": Variant(seed=1),
}

TEXT = "cond_stage_model.transformer.text_model"
UNET = Unet(widths=(UNET_WIDTH,), depths=(1,), middle_depth=1, projects_by_convolution=True)


def write(folder: Path, name: str) -> None:
    """Writes one checkpoint."""
    variant = VARIANTS[name]
    # one text encoder and one VAE for all, so that a refiner can go on with another's latents
    unet = make_weights(UNET.shapes(variant.channels), variant.seed)
    write_weights(
        folder / f"{name}.safetensors", {**make_weights(text_encoder(TEXT), 0), **make_weights(vae(), 0), **unet}
    )
    (folder / f"{name}.yaml").write_text(
        json.dumps({"model": model_config(variant, write_text_config(folder))}), encoding="utf-8"
    )


def write_text_config(folder: Path) -> Path:
    """Writes the text encoder's configuration. Its vocabulary is linked from the tiny SDXL checkpoints."""
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
    # the AMD fork loads these weights before the checkpoint's; their values do not matter
    save_file({"none": torch.zeros(1)}, text_folder / "model.safetensors", {"format": "pt"})
    return text_folder


def model_config(variant: Variant, text_folder: Path) -> dict:
    """Returns SD 1.5's configuration with a smaller UNet, for WebUIs that read one. Its JSON is valid YAML."""
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
