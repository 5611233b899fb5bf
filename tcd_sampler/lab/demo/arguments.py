"""The demo's options for models, as arguments of a parser. This module imports none of the packages."""

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[..., argparse.Action]
"""ArgumentParser.add_argument."""


def add_model(add: Add) -> None:
    """Adds the options for a model and everything that is used with it."""
    add(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="an SDXL or SD 1.5 checkpoint, or SD 2.1 with --config (default: the bundled miniature)",
    )
    add(
        "--lora",
        action="append",
        metavar="FILE[:WEIGHT]",
        help="a LoRA for --checkpoint and its weight (default: 1); may be repeated. TCD and LCM LoRAs are used with "
        "their sampler only, all others with every sampler. LoRAs are identified by hash, metadata and file name; "
        "unknown ones of rank 64 for all layers of the UNet count as TCD",
    )
    add("--config", help="the checkpoint's configuration in diffusers' layout: a folder or a Hugging Face repository")
    add_guides(add)


def add_guides(add: Add) -> None:
    """Adds the options for a ControlNet and an IP-Adapter."""
    add(
        "--controlnet",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="a ControlNet for --checkpoint: a .safetensors file, or a folder in diffusers' layout",
    )
    add(
        "--control-image",
        type=Path,
        metavar="FILE",
        help="the image for --controlnet, already prepared (edges, depth, ...): no preprocessor runs. The generated "
        "image gets its shape, unless --image sets the shape",
    )
    add("--control-scale", type=float, help="the strength of --controlnet, 0 to 2 (default: 0.5)")
    add("--ip-adapter", type=Path, metavar="FILE", help="an IP-Adapter for --checkpoint, except those for Face ID")
    add("--ip-adapter-image", type=Path, metavar="FILE", help="the image prompt for --ip-adapter")
    add("--ip-adapter-scale", type=float, help="the strength of --ip-adapter, 0 to 2 (default: 0.5)")
    add(
        "--image-encoder",
        metavar="FOLDER_OR_REPOSITORY",
        help="the CLIP image encoder that --ip-adapter was made for: a folder with config.json and model.safetensors, "
        "or owner/name/folder on Hugging Face. Most adapters need h94/IP-Adapter/models/image_encoder (ViT-H), "
        "ip-adapter_sdxl.safetensors needs h94/IP-Adapter/sdxl_models/image_encoder",
    )
