"""The command install-miniature: copies the miniature and its LoRAs into AUTOMATIC1111's WebUI."""

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
    """Copies the checkpoint and its configuration into a folder, and the tokenizer beside that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # inside the folder, the WebUI would list it as a checkpoint
    clip = folder.resolve().parent / f"{CHECKPOINT.stem}-clip"
    shutil.copytree(CLIP, clip, dirs_exist_ok=True)
    get_text_config(transformers.CLIPTokenizer.from_pretrained(CLIP)).save_pretrained(clip)
    # the AMD fork opens this file before it loads the checkpoint's weights, whatever it contains
    save_file({"none": torch.zeros(1)}, clip / "model.safetensors", {"format": "pt"})
    shutil.copy(CHECKPOINT, folder)
    config = json.dumps(get_config(clip), indent=2)  # JSON is YAML
    (folder / f"{CHECKPOINT.stem}.yaml").write_text(config, encoding="utf-8")


def install_loras(folder: Path) -> None:
    """Copies the LoRAs into a folder."""
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
