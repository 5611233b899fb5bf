"""LoRAs of any format that diffusers knows, as adapters of a UNet."""

import warnings
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import SafetensorError

from ...loras.header import SDXL, read_lora
from .errors import first_line


def add_lora(unet: Any, path: Path, name: str, family: str | None = SDXL) -> None:
    """Adds it, turned off, under a name. ValueError, in one sentence, where it is not one for this UNet."""
    lora = read_lora(path)
    if family and lora.family not in (family, None):
        raise ValueError(f"{path.name} is a LoRA for {lora.family}, and the checkpoint is of {family}.")
    pipeline = StableDiffusionXLPipeline if family == SDXL else StableDiffusionPipeline
    try:
        weights, alphas, *_ = pipeline.lora_state_dict(str(path), unet_config=unet.config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are two is meant
            pipeline.load_lora_into_unet(weights, alphas, unet, adapter_name=name)
    except (RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise ValueError(f"{path.name} is not a LoRA for this checkpoint ({first_line(error)}).") from error
    unet.disable_lora()
