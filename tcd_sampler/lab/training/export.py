"""Writes what was trained as the files that are shipped: half precision, SDXL's layout, kohya's LoRAs."""

from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from ...loras.conversion import LABELS
from ...loras.header import SDXL
from ..miniature.layout import UNET, get_unet_keys, to_sdxl

LICENCE = "MIT"


def export_checkpoint(path: Path, text_to_image: Any, vae: Any) -> None:
    tensors = to_sdxl(text_to_image.unet, vae, list(text_to_image.texts.models))
    save_file(
        tensors, path, metadata={"modelspec.title": "TCD miniature", "modelspec.license": LICENCE, "format": "pt"}
    )


def export_lora(path: Path, unet: Any, title: str, rank: int) -> None:
    """In kohya's format, with the metadata that the WebUI and this extension tell a LoRA by.

    Modules are called as in SDXL's checkpoints: by diffusers' names, A1111 does not find all of them.
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
        "modelspec.license": LICENCE,
        "format": "pt",
    }
    save_file(tensors, path, metadata=metadata)


def export_classifier(path: Path, classifier: torch.nn.Module) -> None:
    save_file({name: tensor.half().contiguous() for name, tensor in classifier.state_dict().items()}, path)
