"""LoRAs of any format that diffusers knows, as adapters of a model's networks."""

import warnings
from pathlib import Path
from typing import Any

from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import SafetensorError

from ...errors import UserError
from ...loras.catalogue import CATALOGUE
from ...loras.download import compute_sha256
from ...loras.header import SDXL, read_lora
from .. import messages
from .errors import first_line
from .files import check_lora
from .samplers import SAMPLERS, TCD

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
"""The names of a pipeline's text encoders, which LoRAs have as prefixes."""


def add_lora(unet: Any, path: Path, name: str, family: str = SDXL, text_encoders: dict[str, Any] | None = None) -> None:
    """Adds a LoRA to the UNet, turned off, and to the text encoders. Raises UserError if it is not for this UNet.

    name: of the adapter. text_encoders: by their names in TEXT_ENCODERS.
    """
    check_lora(path, family)
    pipeline = StableDiffusionXLPipeline if family == SDXL else StableDiffusionPipeline
    try:
        weights, alphas, *_ = pipeline.lora_state_dict(str(path), unet_config=unet.config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a second adapter is intended
            pipeline.load_lora_into_unet(weights, alphas, unet, adapter_name=name)
            for prefix, encoder in (text_encoders or {}).items():
                if any(key.startswith(f"{prefix}.") for key in weights):  # diffusers warns of a LoRA without any
                    options = {"prefix": prefix, "adapter_name": name}
                    pipeline.load_lora_into_text_encoder(weights, alphas, encoder, **options)
    except (RuntimeError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(messages.LORA_DOES_NOT_FIT, file=path.name, reason=first_line(error)) from error
    if name not in unet.peft_config:  # diffusers loads nothing, without an error, where it knows none of the names
        raise UserError(messages.LORA_DOES_NOT_FIT, file=path.name, reason=messages.NO_LAYER_FITS)
    unet.disable_lora()


def find_sampler(path: Path) -> str | None:
    """Returns the Sampler.lora that a LoRA was distilled for, or None if it is for every sampler.

    A LoRA that nothing identifies counts as TCD's if it has the layers and the rank of published distillations. Only a
    file of the size of a published one is hashed.
    """
    lora = read_lora(path)
    hashes = [compute_sha256(path)] if any(file.size == lora.size for file in CATALOGUE.files) else []
    identity = CATALOGUE.identify(lora, hashes)
    if identity is None:
        return TCD.lora if lora.looks_distilled else None
    sampler = SAMPLERS.get(identity.recommended.sampler)
    return None if sampler is None else sampler.lora
