"""The host's LoRA extension."""

import sys
from importlib.util import find_spec
from typing import Any

from modules import extra_networks

from ...loras.header import DIFFUSERS, PEFT, PROCESSORS


def get_lora_tags() -> list[str]:
    """Returns the names of this host's LoRA tags: "lora" for <lora:...>, and on some hosts "lyco"."""
    aliases = getattr(extra_networks, "extra_network_aliases", {})  # missing in ersatzForge, a fork of Forge
    return [tag for tag in ("lora", "lyco") if tag == "lora" or tag in aliases]


def find_networks() -> Any:
    """Returns the module of the host's LoRA extension, or None if that is disabled."""
    networks = sys.modules.get("networks")
    return networks if hasattr(networks, "available_network_aliases") else None


UNSUPPORTED_FORMATS = {PEFT, DIFFUSERS} if find_spec("modules_forge") else {PEFT, DIFFUSERS, PROCESSORS}
"""LoRA formats that the host cannot load completely. Forge and its forks load diffusers' processors."""


def add_to_list(name: str) -> None:
    """Adds a new file to the host's list. If the host can, it keeps the other entries, which a job may be using."""
    networks = find_networks()
    if hasattr(networks, "update_available_networks_by_names"):
        networks.update_available_networks_by_names([name])
    elif networks:
        networks.list_available_networks()
