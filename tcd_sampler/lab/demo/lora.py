"""LoRAs of any format that diffusers knows, as adapters of a UNet."""

import warnings
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import SafetensorError

from ...errors import UserError
from ...loras.header import SDXL, read_lora
from .. import messages
from .errors import first_line


def add_lora(unet: Any, path: Path, name: str, family: str | None = SDXL) -> None:
    """Add a LoRA under a name, turned off. Raises UserError if it is not for this UNet."""
    lora = read_lora(path)
    if family and lora.family not in (family, None):
        families = {"family": lora.family, "checkpoint_family": family}
        raise UserError(messages.LORA_FOR_ANOTHER_FAMILY, file=path.name, **families)
    pipeline = StableDiffusionXLPipeline if family == SDXL else StableDiffusionPipeline
    try:
        weights, alphas, *_ = pipeline.lora_state_dict(str(path), unet_config=unet.config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are two is meant
            pipeline.load_lora_into_unet(weights, alphas, unet, adapter_name=name)
    except (RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(messages.LORA_DOES_NOT_FIT, file=path.name, reason=first_line(error)) from error
    unet.disable_lora()
