"""The host's LoRA extension."""

import sys
from importlib.util import find_spec
from typing import Any

from modules import extra_networks

from ...loras.header import DIFFUSERS, PEFT, PROCESSORS


def get_lora_tags() -> list[str]:
    """What a prompt's LoRAs are called on this host: <lora:...>, and on some <lyco:...> too."""
    aliases = getattr(extra_networks, "extra_network_aliases", {})  # ersatzForge has none
    return [tag for tag in ("lora", "lyco") if tag == "lora" or tag in aliases]


def find_networks() -> Any:
    """The module of the host's LoRA extension; None where that is turned off."""
    networks = sys.modules.get("networks")
    return networks if hasattr(networks, "available_network_aliases") else None


FOREIGN_FORMATS = {PEFT, DIFFUSERS} if find_spec("modules_forge") else {PEFT, DIFFUSERS, PROCESSORS}
"""Of LoRA files: those that the host loads parts of or nothing. Forge and its forks know diffusers' first."""


def add_to_list(name: str) -> None:
    """Has the host look for a new file; where it can, without emptying its list, which a running job may want."""
    networks = find_networks()
    if hasattr(networks, "update_available_networks_by_names"):
        networks.update_available_networks_by_names([name])
    elif networks:
        networks.list_available_networks()
