"""Copies the miniature and its LoRAs into AUTOMATIC1111's WebUI: `tcd install-miniature`."""

import argparse
import json
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from ...errors import UserError
from .. import messages
from . import CHECKPOINT, CLIP, LORAS
from .architecture import get_text_config
from .sgm_config import get_config


def install_checkpoint(folder: Path) -> None:
    """Copies the checkpoint, with its configuration beside it, and its tokenizer beside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = folder.resolve().parent / f"{CHECKPOINT.stem}-clip"  # what is in the folder is taken for checkpoints
    shutil.copytree(CLIP, clip, dirs_exist_ok=True)
    get_text_config(transformers.CLIPTokenizer.from_pretrained(CLIP)).save_pretrained(clip)
    # the AMD fork opens these weights before it loads the checkpoint's; what is in them does not matter
    save_file({"none": torch.zeros(1)}, clip / "model.safetensors", {"format": "pt"})
    shutil.copy(CHECKPOINT, folder)
    config = json.dumps(get_config(clip), indent=2)  # which is YAML too
    (folder / f"{CHECKPOINT.stem}.yaml").write_text(config, encoding="utf-8")


def install_loras(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in LORAS.values():
        shutil.copy(path, folder)


def run(args: argparse.Namespace) -> int:
    models: Path = args.webui / "models"
    if not models.is_dir():
        raise UserError(messages.NOT_A_WEBUI, folder=args.webui)
    install_checkpoint(models / "Stable-diffusion")
    install_loras(models / "Lora")
    print(f"Copied {CHECKPOINT.name} and its LoRAs into {models}. Generate images of 128x128 with it.")
    return 0
