"""The host's LoRAs: what each of its files is, and which of them suits a recipe."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from modules import hashes

from ..catalogue import CATALOGUE, CONTENT, Identity, Published
from ..hints import Active
from ..lora import KOHYA, LoRA, read_lora
from ..prompt import is_usable
from .host import find_networks, get_option


def list_loras() -> dict[str, Any]:
    """The host's entries by every name that prompts may use; these have name, filename, hash and metadata."""
    networks = find_networks()
    return {**networks.available_network_aliases, **networks.available_networks} if networks else {}


def add_to_list(name: str) -> None:
    """Has the host look for a new file; where it can, without emptying its list, which a running job may want."""
    networks = find_networks()
    if hasattr(networks, "update_available_networks_by_names"):
        networks.update_available_networks_by_names([name])
    elif networks:
        networks.list_available_networks()


def get_default_lora(p: Any) -> tuple[str, float] | None:
    """The one that a setting of the host's, or of the job's own, adds to its prompts, with its weight."""
    own = p.override_settings or {}  # not in force yet when a job starts
    name = own.get("sd_lora", get_option("sd_lora", "None"))
    weight = own.get("extra_networks_default_multiplier", get_option("extra_networks_default_multiplier", 1))
    return (name, float(weight)) if name in list_loras() else None


def read_header(entry: Any) -> LoRA | None:
    """What the file is, or None where it is no safetensors file."""
    try:
        status = Path(entry.filename).stat()
        return read_cached(entry.filename, status.st_size, status.st_mtime)
    except (OSError, ValueError):  # the host says itself what it makes of it
        return None


@lru_cache(maxsize=1024)
def read_cached(filename: str, *_: Any) -> LoRA:
    return read_lora(Path(filename))


def identify(entry: Any, wanted: Iterable[Published] = CATALOGUE.files) -> Identity | None:
    """Which LoRA it is. The host hashes its content, once, and only where its size is that of a wanted one."""
    file = Path(entry.filename)
    alike = [one for one in wanted if file.exists() and one.size == file.stat().st_size]
    if any(one.data_sha256 for one in alike):
        entry.read_hash()
    identity = CATALOGUE.identify(entry, [entry.hash] if entry.hash else [])
    if alike and (identity is None or identity.by != CONTENT):
        whole = hashes.sha256(entry.filename, f"tcd/{entry.name}")  # None where the host is told not to
        identity = CATALOGUE.identify(entry, [whole or ""])
    return identity


def describe(name: str, weight: float) -> Active:
    """A LoRA that a prompt names."""
    entry = list_loras().get(name)
    if entry is None:
        return Active(name, weight, is_missing=True)
    return Active(name, weight, read_header(entry), identify(entry))


def find_lora(wanted: str, family: str | None) -> Any:
    """The host's entry for a recipe's LoRA, or None: the file of that name, or the best of that line for a family."""
    entries = list_loras()
    if wanted not in CATALOGUE.lines:
        entry = entries.get(wanted)
        header = read_header(entry) if entry else None
        return None if header and header.family not in (None, family) else entry
    found = [entry for entry in {id(entry): entry for entry in entries.values()}.values() if is_usable(entry.name)]
    suitable = [(rank, entry) for entry in found if (rank := rank_lora(entry, wanted, family)) is not None]
    return min(suitable, key=lambda pair: pair[0])[1] if suitable else None


def rank_lora(entry: Any, line: str, family: str | None) -> tuple[bool, bool, str] | None:
    """Its place among a line's files for a base family: those that the host can load first, then the certain ones."""
    header = read_header(entry)
    if header is None or header.family != family:
        return None
    identity = identify(entry, [file for file in CATALOGUE.files if (file.use.line, file.family) == (line, family)])
    if identity is None or identity.use.line != line:
        return None
    return header.format != KOHYA, identity.by != CONTENT, entry.name


def is_for_tcd(name: str) -> bool:
    """Whether a prompt's LoRA is there, and one for TCD."""
    use = describe(name, 1).use
    return use is not None and use.is_for_tcd
