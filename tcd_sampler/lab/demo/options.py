"""The demo's options for files: what each needs, and checks of the files by their headers.

Like files, this module imports neither diffusers nor gradio.
"""

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ...errors import UserError
from .. import messages
from .files import check_checkpoint, check_config, check_image, check_lora, read_image
from .guide_files import check_controlnet, check_image_encoder, check_ip_adapter, split_hub_folder

DEFAULT_SCALE = 0.5
HIGHEST_SCALE = 2
"""The highest scale of ControlNets and IP-Adapters, as in the WebUI's ControlNet extension."""

IMAGES = ("image", "mask", "control_image", "ip_adapter_image")
SCALES = ("control_scale", "ip_adapter_scale")

NEEDED = {
    "controlnet": ("checkpoint", "control_image"),
    "control_image": ("controlnet",),
    "control_scale": ("controlnet",),
    "ip_adapter": ("checkpoint", "ip_adapter_image", "image_encoder"),
    "ip_adapter_image": ("ip_adapter",),
    "ip_adapter_scale": ("ip_adapter",),
    "image_encoder": ("ip_adapter",),
}
"""The options that an option needs."""

WEIGHTED = re.compile(r"(?P<file>.{2,}?)(:(?P<weight>[^:/\\]*))?")
"""A file, and a weight after the last colon. The colon after a single letter belongs to a Windows drive."""


@dataclass(frozen=True)
class WeightedLoRA:
    """A LoRA's file and its weight."""

    file: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Guide:
    """A ControlNet or an IP-Adapter: its file (or a ControlNet's folder), its image and its scale."""

    file: Path
    image: Image.Image
    scale: float = DEFAULT_SCALE
    encoder: str = ""
    """An IP-Adapter's image encoder: a folder, or owner/name/folder on the Hugging Face hub."""

    def describe(self, module: str) -> str:
        """Returns the infotext of a unit of the WebUI's ControlNet extension with this preprocessor."""
        return f"Module: {module}, Model: {self.file.stem}, Weight: {self.scale:g}"


def check_files(args: argparse.Namespace) -> None:
    """Raises UserError if a file that an option of the demo names is not what that option needs."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    for name in filter(given.__contains__, IMAGES):
        check_image(get_option(name), given[name])
    check_needed(given)
    for name in filter(given.__contains__, SCALES):
        if not 0 <= given[name] <= HIGHEST_SCALE:
            raise UserError(messages.NOT_IN_RANGE, field=get_option(name), low=0, high=HIGHEST_SCALE, value=given[name])
    if "checkpoint" in given:
        check_model_files(given)


def check_needed(given: dict[str, Any]) -> None:
    """Raises UserError if an option is given without another that it needs."""
    if "checkpoint" not in given:
        if "lora" in given:
            raise UserError(messages.LORA_WITHOUT_CHECKPOINT)
        if "config" in given:
            raise UserError(messages.CONFIG_WITHOUT_CHECKPOINT)
    for name in filter(given.__contains__, NEEDED):
        for needed in NEEDED[name]:
            if needed not in given:
                raise UserError(messages.OPTION_NEEDED, field=get_option(name), needed=get_option(needed))


def check_model_files(given: dict[str, Any]) -> None:
    """Raises UserError if a file is not for the checkpoint."""
    family = check_checkpoint(given["checkpoint"])
    for lora in parse_loras(given.get("lora", [])):
        check_lora(lora.file, family)
    check_config(given.get("config"), family)
    if "controlnet" in given:
        check_controlnet(given["controlnet"], family)
    if "ip_adapter" in given:
        check_ip_adapter(given["ip_adapter"], family)
        if Path(given["image_encoder"]).is_dir():
            check_image_encoder(Path(given["image_encoder"]), given["ip_adapter"])
        else:
            split_hub_folder(given["image_encoder"])


def get_option(name: str) -> str:
    """Returns the option of an attribute of the parsed arguments."""
    return f"--{name.replace('_', '-')}"


def parse_loras(values: list[str]) -> list[WeightedLoRA]:
    """Returns the LoRAs of all --lora options. Raises UserError if a weight is no number or a name comes twice."""
    loras = [parse_lora(value) for value in values]
    names = [lora.file.stem for lora in loras]
    for name in names:
        if names.count(name) > 1:  # a WebUI could not tell their tags apart
            raise UserError(messages.LORA_TWICE, lora=name)
    return loras


def parse_lora(value: str) -> WeightedLoRA:
    """Returns the LoRA of FILE or FILE:WEIGHT. Raises UserError if the weight is no number."""
    parts = WEIGHTED.fullmatch(value)
    if parts is None or parts["weight"] is None:
        return WeightedLoRA(Path(value))
    try:
        weight = float(parts["weight"])
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise UserError(messages.NOT_A_WEIGHT, value=value)
    return WeightedLoRA(Path(parts["file"]), weight)


def get_controlnet(args: argparse.Namespace) -> Guide | None:
    """Returns the ControlNet that the options name, or None."""
    if args.controlnet is None:
        return None
    image = read_image("--control-image", args.control_image)
    return Guide(args.controlnet, image, get_scale(args.control_scale))


def get_ip_adapter(args: argparse.Namespace) -> Guide | None:
    """Returns the IP-Adapter that the options name, or None."""
    if args.ip_adapter is None:
        return None
    image = read_image("--ip-adapter-image", args.ip_adapter_image)
    return Guide(args.ip_adapter, image, get_scale(args.ip_adapter_scale), args.image_encoder)


def get_scale(scale: float | None) -> float:
    return DEFAULT_SCALE if scale is None else scale
