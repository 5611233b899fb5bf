"""Checks ControlNets, IP-Adapters and image encoders by their headers. Like files, it imports no diffusers."""

import json
import re
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ...errors import UserError
from ...loras.header import FAMILIES
from .. import messages
from .files import check_safetensors

CONTROLNET_WEIGHTS = "diffusion_pytorch_model.safetensors"
ENCODER_FILES = ("config.json", "model.safetensors")
"""The files of a model in a folder, as diffusers and transformers name them."""

HINT = re.compile(r"((control_model\.)?input_hint_block\.0|controlnet_cond_embedding\.conv_in)\.weight$")
"""The first layer for a control image, in the original layout and in that of diffusers."""

ADAPTERS = {
    "image_proj.proj.weight": ("image_proj.proj.weight", "projection_dim"),
    "image_proj.latents": ("image_proj.proj_in.weight", "hidden_size"),
    "image_proj.proj.3.weight": ("image_proj.proj.0.weight", "hidden_size"),
}
"""The first layer for an encoded image, and the encoder's size that is its width, of plain, plus and full adapters.

The keys are tensors that only this kind has. Adapters for Face ID, whose encoder is InsightFace's, have none of them.
"""

DEFAULT_SIZES = {"projection_dim": 512, "hidden_size": 768}
"""What transformers leaves out of a config.json."""

HUB_FOLDER = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(/(?P<folder>[\w./-]+))?")
"""A repository on the Hugging Face hub, and a folder in it."""


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Returns the shapes of a safetensors file's tensors, by their names."""
    with safe_open(path, framework="numpy") as file:
        return {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 (it is no dictionary)


def read_config(folder: Path) -> dict[str, Any]:
    """Returns a folder's config.json, or {} if it has none that can be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def check_controlnet(path: Path, family: str) -> None:
    """Raises UserError if this is neither a ControlNet's file nor its folder, or one for another base family."""
    if path.is_dir() and read_config(path).get("_class_name") != "ControlNetModel":
        raise UserError(messages.NOT_A_CONTROLNET_FOLDER, folder=path)
    check_safetensors("--controlnet", get_weights(path))
    shapes = read_shapes(get_weights(path))
    if not any(HINT.match(key) for key in shapes):
        raise UserError(messages.NOT_A_CONTROLNET, file=path.name)
    check_family("--controlnet", path, shapes, r"attn2\.to_k\.weight$", family)


def get_weights(path: Path) -> Path:
    """Returns the file with the weights of a ControlNet's file or folder."""
    return path / CONTROLNET_WEIGHTS if path.is_dir() else path


def check_ip_adapter(path: Path, family: str) -> None:
    """Raises UserError if the file is not an IP-Adapter, or one for another base family."""
    check_safetensors("--ip-adapter", path)
    shapes = read_shapes(path)
    find_encoder_size(path, shapes)
    check_family("--ip-adapter", path, shapes, r"ip_adapter\..*to_k_ip\.weight$", family)


def find_encoder_size(path: Path, shapes: dict[str, list[int]]) -> tuple[str, int]:
    """Returns the name and the value of the size that an IP-Adapter's image encoder must have.

    Raises UserError if the shapes are not those of an IP-Adapter's tensors.
    """
    layer, size = next((adapter for key, adapter in ADAPTERS.items() if key in shapes), ("", ""))
    if len(shapes.get(layer, ())) != 2:
        raise UserError(messages.NOT_AN_IP_ADAPTER, file=path.name)
    return size, shapes[layer][1]


def check_family(field: str, path: Path, shapes: dict[str, list[int]], keys: str, family: str) -> None:
    """Raises UserError if the text embeddings that the keys' layers take are those of another base family."""
    width = next((shape[1] for key, shape in shapes.items() if re.search(keys, key)), 0)
    found = FAMILIES.get(width, family)
    if found != family:
        values = {"file": path.name, "family": found, "checkpoint_family": family}
        raise UserError(messages.GUIDE_FOR_ANOTHER_FAMILY, field=field, **values)


def split_hub_folder(encoder: str) -> tuple[str, str]:
    """Returns the repository and the folder in it of an --image-encoder on the hub. Raises UserError if it is none."""
    place = HUB_FOLDER.fullmatch(encoder)
    if place is None or Path(encoder).exists():
        raise UserError(messages.NOT_AN_IMAGE_ENCODER, encoder=encoder)
    return place["repository"], place["folder"] or ""


def check_image_encoder(folder: Path, adapter: Path) -> None:
    """Raises UserError if the folder has no CLIP image encoder, or not the one that the IP-Adapter was made for."""
    config = read_config(folder)
    if config.get("model_type") != "clip_vision_model":
        raise UserError(messages.NOT_AN_IMAGE_ENCODER, encoder=folder)
    check_safetensors("--image-encoder", folder / ENCODER_FILES[1])
    size, width = find_encoder_size(adapter, read_shapes(adapter))
    found = config.get(size, DEFAULT_SIZES[size])
    if width != found:
        values = {"adapter": adapter.name, "size": size, "width": width, "encoder": folder, "found": found}
        raise UserError(messages.ENCODER_DOES_NOT_FIT, **values)
