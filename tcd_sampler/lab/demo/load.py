"""Loads the model that a command's arguments name."""

import argparse

from .model import Model


def load_model(args: argparse.Namespace) -> Model:
    """Returns the model of --checkpoint, --lora and --config, by default the miniature. Raises UserError.

    lab.command has checked the files already.
    """
    if args.checkpoint is None:
        from .miniature import load_miniature

        return load_miniature()
    from .checkpoint import load_checkpoint

    return load_checkpoint(args.checkpoint, args.lora, args.config)
