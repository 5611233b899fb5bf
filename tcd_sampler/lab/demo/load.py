"""Loads the model that a command's arguments name."""

import argparse
import sys

from .. import messages
from .model import LoRA, Model
from .options import get_controlnet, get_ip_adapter, parse_loras
from .samplers import SAMPLERS


def load_model(args: argparse.Namespace) -> Model:
    """Returns the model of --checkpoint and the options for it, by default the miniature. Raises UserError.

    lab.command has checked the files already. The use of each LoRA is printed.
    """
    if args.checkpoint is None:
        from .miniature import load_miniature

        return load_miniature()
    from .checkpoint import load_checkpoint

    model = load_checkpoint(
        args.checkpoint,
        parse_loras(args.lora or []),
        args.config,
        controlnet=get_controlnet(args),
        ip_adapter=get_ip_adapter(args),
    )
    for lora in model.loras.values():
        print(describe_use(lora), file=sys.stderr)
    return model


def describe_use(lora: LoRA) -> str:
    """Returns a sentence about the samplers that a LoRA is used with."""
    if lora.sampler is None:
        return messages.LORA_FOR_ALL.format(lora=lora.name)
    sampler = next(name for name, sampler in SAMPLERS.items() if sampler.lora == lora.sampler)
    return messages.LORA_FOR_SAMPLER.format(lora=lora.name, sampler=sampler)
