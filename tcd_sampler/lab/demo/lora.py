"""LoRAs of any format that diffusers knows, as adapters of a UNet."""

import warnings
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import SafetensorError

from ...errors import UserError
from ...loras.header import SDXL
from .. import messages
from .errors import first_line
from .files import check_lora


def add_lora(unet: Any, path: Path, name: str, family: str = SDXL) -> None:
    """Adds a LoRA under a name, turned off. Raises UserError if it is not for this UNet."""
    check_lora(path, family)
    pipeline = StableDiffusionXLPipeline if family == SDXL else StableDiffusionPipeline
    try:
        weights, alphas, *_ = pipeline.lora_state_dict(str(path), unet_config=unet.config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a second adapter is intended
            pipeline.load_lora_into_unet(weights, alphas, unet, adapter_name=name)
    except (RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(messages.LORA_DOES_NOT_FIT, file=path.name, reason=first_line(error)) from error
    if name not in unet.peft_config:  # diffusers loads nothing, without an error, where it knows none of the names
        raise UserError(messages.LORA_DOES_NOT_FIT, file=path.name, reason=messages.NO_LAYER_FITS)
    unet.disable_lora()
