"""Writes the trained weights in half precision: a checkpoint in SDXL's layout, and LoRAs in kohya's format."""

from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from ...loras.conversion import LABELS
from ...loras.header import SDXL
from ..miniature.layout import UNET, get_unet_keys, to_sdxl

LICENSE = "MIT"


def export_checkpoint(path: Path, text_to_image: Any, vae: Any) -> None:
    """Writes UNet, text encoders and autoencoder as one checkpoint."""
    tensors = to_sdxl(text_to_image.unet, vae, list(text_to_image.texts.models))
    save_file(
        tensors, path, metadata={"modelspec.title": "TCD miniature", "modelspec.license": LICENSE, "format": "pt"}
    )


def export_lora(path: Path, unet: Any, title: str, rank: int) -> None:
    """Writes a LoRA in kohya's format, with the metadata that the WebUI and this extension identify it by.

    Modules have their names in SDXL's checkpoints, because A1111 does not find all of them by diffusers' names.
    """
    weights = get_peft_model_state_dict(unet)
    modules = get_unet_keys([name.rsplit(".", 2)[0] + "." for name in weights])
    tensors = {}
    for name, tensor in weights.items():
        module, side = name.removesuffix(".weight").rsplit(".", 1)
        key = "lora_unet_" + modules[f"{module}."].removeprefix(UNET)[:-1].replace(".", "_")
        tensors[f"{key}.lora_{'down' if side == 'lora_A' else 'up'}.weight"] = tensor.detach().half().contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(float(rank)).half()
    metadata = {
        **LABELS[SDXL],
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(rank),
        "ss_output_name": path.stem,
        "modelspec.title": title,
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
        "modelspec.license": LICENSE,
        "format": "pt",
    }
    save_file(tensors, path, metadata=metadata)


def export_classifier(path: Path, classifier: torch.nn.Module) -> None:
    """Writes the classifier's weights."""
    save_file({name: tensor.half().contiguous() for name, tensor in classifier.state_dict().items()}, path)
