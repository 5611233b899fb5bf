"""Loads the model that a command's arguments name."""

import argparse

from ...errors import UserError
from .. import messages
from .model import Model


def load_model(args: argparse.Namespace) -> Model:
    """Return the model of --checkpoint, --lora and --config, by default the miniature. Raises UserError."""
    if args.checkpoint is None:
        if args.lora is not None:
            raise UserError(messages.LORA_WITHOUT_CHECKPOINT)
        from .miniature import load_miniature

        return load_miniature()
    from .checkpoint import load_checkpoint

    return load_checkpoint(args.checkpoint, args.lora, args.config)
