"""The miniature's configuration as AUTOMATIC1111's WebUI reads it: for Stability's generative-models (sgm)."""

from pathlib import Path
from typing import Any

from .architecture import LATENT_CHANNELS, SCALE_FACTOR, SIZE_WIDTH, TEXT, UNET, VAE

MODULES = "sgm.modules.diffusionmodules"
SIZES = ["original_size_as_tuple", "crop_coords_top_left", "target_size_as_tuple"]
HEAD_WIDTH = 32


def get_config(clip: Path) -> dict[str, Any]:
    """Returns the content of the .yaml beside the checkpoint. clip: the folder of the tokenizer and config.json."""
    return {
        "model": {
            "target": "sgm.models.diffusion.DiffusionEngine",
            "params": {
                "scale_factor": SCALE_FACTOR,
                "disable_first_stage_autocast": True,
                "denoiser_config": get_denoiser_config(),
                "network_config": get_network_config(),
                "conditioner_config": get_conditioner_config(clip),
                "first_stage_config": get_first_stage_config(),
            },
        }
    }


def get_denoiser_config() -> dict[str, Any]:
    parts = {
        "weighting_config": f"{MODULES}.denoiser_weighting.EpsWeighting",
        "scaling_config": f"{MODULES}.denoiser_scaling.EpsScaling",
        "discretization_config": f"{MODULES}.discretizer.LegacyDDPMDiscretization",
    }
    params = {"num_idx": 1000, **{name: {"target": target} for name, target in parts.items()}}
    return {"target": f"{MODULES}.denoiser.DiscreteDenoiser", "params": params}


def get_network_config() -> dict[str, Any]:
    widths = UNET["block_out_channels"]
    return {
        "target": f"{MODULES}.openaimodel.UNetModel",
        "params": {
            "adm_in_channels": 2 * SIZE_WIDTH * len(SIZES),
            "num_classes": "sequential",
            "use_checkpoint": False,
            "in_channels": LATENT_CHANNELS,
            "out_channels": LATENT_CHANNELS,
            "model_channels": widths[0],
            "attention_resolutions": [4, 2],
            "num_res_blocks": UNET["layers_per_block"],
            "channel_mult": [width // widths[0] for width in widths],
            "num_head_channels": HEAD_WIDTH,
            "use_spatial_transformer": True,
            "use_linear_in_transformer": True,
            "transformer_depth": UNET["transformer_layers_per_block"],
            "context_dim": UNET["cross_attention_dim"],
            "spatial_transformer_attn_type": "softmax",
            "legacy": False,
        },
    }


def get_conditioner_config(clip: Path) -> dict[str, Any]:
    text = {"version": str(clip), "device": "cpu", "layer": "hidden", "layer_idx": TEXT["num_hidden_layers"] - 1}
    embedders = [("txt", "FrozenCLIPEmbedder", text)] * 2
    embedders += [(key, "ConcatTimestepEmbedderND", {"outdim": SIZE_WIDTH}) for key in SIZES]
    models = [
        {"is_trainable": False, "input_key": key, "target": f"sgm.modules.encoders.modules.{kind}", "params": params}
        for key, kind, params in embedders
    ]
    return {"target": "sgm.modules.GeneralConditioner", "params": {"emb_models": models}}


def get_first_stage_config() -> dict[str, Any]:
    widths = VAE["block_out_channels"]
    return {
        "target": "sgm.models.autoencoder.AutoencoderKLInferenceWrapper",
        "params": {
            "embed_dim": LATENT_CHANNELS,
            "monitor": "val/rec_loss",
            "ddconfig": {
                "attn_type": "vanilla",
                "double_z": True,
                "z_channels": LATENT_CHANNELS,
                "resolution": VAE["sample_size"],
                "in_channels": 3,
                "out_ch": 3,
                "ch": widths[0],
                "ch_mult": [width // widths[0] for width in widths],
                "num_res_blocks": VAE["layers_per_block"],
                "attn_resolutions": [],
                "dropout": 0.0,
            },
            "lossconfig": {"target": "torch.nn.Identity"},
        },
    }
