"""Configuration of SDXL and SD 1.5 in diffusers' layout, so that their checkpoints load without a network.

The values are those that differ from the defaults of diffusers and transformers. files/clip-merges.txt.gz is the
vocabulary of OpenAI's CLIP (MIT license), as merges.txt of every SDXL and SD 1.5 repository has it.
"""

import gzip
import inspect
import json
from pathlib import Path
from typing import Any

import diffusers

from ...loras.header import SD1, SDXL
from ..miniature.vocabulary import END, START, write_merges

MERGES = Path(__file__).parent / "files" / "clip-merges.txt.gz"

VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}
UNET = {
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "sample_size": 64,
}
SDXL_UNET = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
}
CLIP = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "vocab_size": 49408,
    "bos_token_id": 0,
    "eos_token_id": 2,  # as the repositories have it: transformers then takes the text's end as the pooled token
    "pad_token_id": 1,
    "model_type": "clip_text_model",
}
OPEN_CLIP = CLIP | {
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}

Parts = dict[str, tuple[str, str, dict[str, Any]]]
"""Library, class and configuration of a pipeline's parts. A tokenizer's is its padding."""

CONFIGURATIONS: dict[str, tuple[str, Parts]] = {
    SD1: (
        "StableDiffusionPipeline",
        {
            "scheduler": ("diffusers", "DDIMScheduler", SCHEDULER),
            "text_encoder": ("transformers", "CLIPTextModel", CLIP),
            "tokenizer": ("transformers", "CLIPTokenizer", {"pad_token": END}),
            "unet": ("diffusers", "UNet2DConditionModel", UNET),
            "vae": ("diffusers", "AutoencoderKL", VAE | {"sample_size": 512}),
        },
    ),
    SDXL: (
        "StableDiffusionXLPipeline",
        {
            "scheduler": ("diffusers", "DDIMScheduler", SCHEDULER),
            "text_encoder": ("transformers", "CLIPTextModel", CLIP),
            "text_encoder_2": ("transformers", "CLIPTextModelWithProjection", OPEN_CLIP),
            "tokenizer": ("transformers", "CLIPTokenizer", {"pad_token": END}),
            "tokenizer_2": ("transformers", "CLIPTokenizer", {"pad_token": "!"}),
            "unet": ("diffusers", "UNet2DConditionModel", SDXL_UNET),
            "vae": ("diffusers", "AutoencoderKL", VAE | {"sample_size": 1024, "scaling_factor": 0.13025}),
        },
    ),
}
"""Pipeline and parts of the base families whose configuration is known."""


def write_configuration(family: str, folder: Path) -> None:
    """Writes a family's configuration as a folder that diffusers reads."""
    pipeline, parts = CONFIGURATIONS[family]
    index: dict[str, Any] = {"_class_name": pipeline}
    for name, (library, kind, config) in parts.items():
        index[name] = [library, kind]
        (folder / name).mkdir(parents=True)
        if kind == "CLIPTokenizer":
            write_tokenizer(folder / name, config["pad_token"])
        else:
            file = "scheduler_config.json" if name == "scheduler" else "config.json"
            write_json(folder / name / file, get_defaults(kind) | config if library == "diffusers" else config)
    if family == SDXL:
        index["force_zeros_for_empty_prompt"] = True
    write_json(folder / "model_index.json", index)


def get_defaults(kind: str) -> dict[str, Any]:
    """Returns the configuration of a class of diffusers with its defaults, which the loader of single files reads."""
    parameters = inspect.signature(getattr(diffusers, kind).__init__).parameters.values()
    defaults = {
        parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty
    }
    return {"_class_name": kind, **defaults}


def write_tokenizer(folder: Path, padding: str) -> None:
    write_merges(folder, gzip.decompress(MERGES.read_bytes()).decode())
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": padding}
    write_json(
        folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **special}
    )


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
