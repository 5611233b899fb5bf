"""The miniature's networks: SDXL's with smaller widths, built by diffusers and transformers."""

from typing import Any

import diffusers
import torch
import transformers

LATENT_CHANNELS, PIXELS_PER_LATENT = 4, 8
SCALE_FACTOR = 0.13025
"""SDXL's factor: the encoder's latents times this have unit variance."""

TEXT_WIDTH = 96
TOKENS = 77
SIZE_WIDTH = 32
"""The embedding width of each of the six numbers in time_ids: original size, crop and target size."""

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

VAE: dict[str, Any] = {
    "block_out_channels": [64, 64, 64, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": LATENT_CHANNELS,
    "norm_num_groups": 32,
    "sample_size": 128,
    "scaling_factor": SCALE_FACTOR,
}
UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "block_out_channels": [64, 128, 128],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 1, 1],
    "attention_head_dim": [2, 4, 4],  # the number of heads, in spite of its name: 32 channels each
    "layers_per_block": 2,
    "cross_attention_dim": 2 * TEXT_WIDTH,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": SIZE_WIDTH,
    "projection_class_embeddings_input_dim": 6 * SIZE_WIDTH,  # without pooled text
}
TEXT: dict[str, Any] = {
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": 4 * TEXT_WIDTH,
    "projection_dim": TEXT_WIDTH,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "max_position_embeddings": TOKENS,
}


def build_vae() -> torch.nn.Module:
    vae: torch.nn.Module = diffusers.AutoencoderKL(**VAE)
    return vae


def build_unet() -> torch.nn.Module:
    unet: torch.nn.Module = diffusers.UNet2DConditionModel(**UNET)
    return unet


def get_text_config(tokenizer: Any) -> Any:
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    return transformers.CLIPTextConfig(vocab_size=len(tokenizer), **special, **TEXT)


class TextEncoders(torch.nn.Module):
    """Two text encoders, of which the last layer but one is used, as in SDXL. Both are CLIP text models here."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        config = get_text_config(tokenizer)
        self.models = torch.nn.ModuleList(transformers.CLIPTextModel(config) for _ in range(2))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Encodes tokens (batch, 77) for the cross attention: (batch, 77, 2 * TEXT_WIDTH)."""
        outputs = [model(tokens, output_hidden_states=True).hidden_states[-2] for model in self.models]
        return torch.cat(outputs, -1)


def tokenize(tokenizer: Any, captions: list[str]) -> torch.Tensor:
    """Returns the tokens of captions, (captions, 77)."""
    tokens = tokenizer(captions, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    ids: torch.Tensor = tokens["input_ids"]
    return ids


def get_size_conditioning(batch: int, size: int) -> dict[str, torch.Tensor]:
    """Returns SDXL's size conditioning for square images that were not cropped, without pooled text."""
    time_ids = torch.tensor([size, size, 0, 0, size, size], dtype=torch.float32)
    return {"text_embeds": torch.zeros(batch, 0), "time_ids": time_ids.expand(batch, 6)}
