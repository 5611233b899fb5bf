"""Identifies the host's LoRA files and chooses the LoRA for a preset.

Collections have thousands of files, and jobs must not wait for them. Names, metadata and hashes that the host has in
memory are used first, and only the few files that they point to are opened. A file is hashed only if nothing else
identifies it and a choice depends on it.
"""

import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from modules import hashes

from .. import messages
from ..advice import ActiveLoRA
from ..loras.catalogue import CATALOGUE, CONTENT, OUTPUT_NAME, TITLE, Identity, PublishedLoRA
from ..loras.header import KOHYA, LoRA, find_fault, read_lora
from ..loras.prompt import is_usable
from ..messages import Message
from .compat.comments import get_strip
from .compat.networks import find_networks
from .compat.options import get_setting


def look_up(name: str) -> Any:
    """Returns the host's entry for a LoRA name in a prompt. It has name, filename, hash and metadata.

    Returns None if there is no such LoRA, or if several files share the name as an alias.
    """
    networks = find_networks()
    if networks is None:
        return None
    known = networks.available_networks if is_forbidden(name) else networks.available_network_aliases
    return known.get(name)


def is_forbidden(name: str) -> bool:
    """Whether the host accepts a name only as a file name, because several files share it as an alias."""
    return name.lower() in find_networks().forbidden_network_aliases


@dataclass
class Index:
    """An index of the host's LoRA files by the method that their names and metadata tell."""

    entries: list[Any]
    by_method: dict[str, list[Any]] = field(default_factory=dict)
    unlabelled: list[Any] = field(default_factory=list)
    """Files without a title or output name. Published files have no metadata and may have been renamed."""

    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.entries:
            label = CATALOGUE.find_recommended_by_label(entry)
            if label:
                self.by_method.setdefault(label[0].method, []).append(entry)
            elif not (entry.metadata.get(OUTPUT_NAME) or entry.metadata.get(TITLE)):
                self.unlabelled.append(entry)

    def get_size(self, entry: Any) -> int | None:
        """Returns the size of an entry's file in bytes, cached, or None if there is no file."""
        if entry.filename not in self.sizes:
            try:
                self.sizes[entry.filename] = os.stat(entry.filename).st_size
            except OSError:
                return None
        return self.sizes[entry.filename]


last_index = Index([])


def get_index() -> Index:
    """Returns the index of the host's current list. It is rebuilt only if the list has changed."""
    global last_index
    networks = find_networks()
    entries = list(networks.available_networks.values()) if networks else []
    if entries != last_index.entries:
        last_index = Index(entries)
    return last_index


def get_default_lora(p: Any) -> tuple[Any, Any] | None:
    """Returns the name and weight, unchecked, of the LoRA that the setting sd_lora adds to a job's prompts, or None.

    A list or dict as the name is returned unchanged, because the host then applies no LoRA at all.
    """
    name = get_setting(p, "sd_lora", "None")
    networks = find_networks()
    if isinstance(name, Hashable) and (networks is None or name not in networks.available_networks):
        return None
    return name, get_setting(p, "extra_networks_default_multiplier", 1)


def read_header(entry: Any) -> LoRA | None:
    """Returns the header of an entry's file, or None if it is not a readable safetensors file."""
    try:
        status = os.stat(entry.filename)
        return read_cached(entry.filename, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):  # describe() reports the fault
        return None


@cache
def read_cached(filename: str, *_: Any) -> LoRA:
    """Returns a file's header. The cache depends on the file's size and time of change."""
    return read_lora(Path(filename))


def identify(entry: Any, may_hash: bool = False) -> Identity | None:
    """Returns a file's identity from what the host knows. With may_hash, hashes the file if nothing else tells."""
    identity = CATALOGUE.identify(entry, list_hashes(entry))
    if identity or not may_hash:
        return identity
    return CATALOGUE.identify(entry, hash_content(entry, list_same_size(entry, CATALOGUE.files)))


def list_same_size(entry: Any, files: Iterable[PublishedLoRA]) -> list[PublishedLoRA]:
    """Returns those published files that have the size of an entry's file. Empty if that file no longer exists."""
    size = get_index().get_size(entry)
    candidates = [file for file in files if file.size == size]
    return candidates if candidates and os.path.exists(entry.filename) else []


def list_hashes(entry: Any) -> list[str]:
    """Returns the known hashes of an entry's file.

    The host caches hashes of whole files on disk. That cache is read only if such a hash could identify the file.
    """
    known = [entry.hash] if entry.hash else []
    if any(not file.data_sha256 for file in list_same_size(entry, CATALOGUE.files)):
        whole = hashes.sha256_from_cache(entry.filename, f"tcd/{entry.name}")
        known += [whole] if whole else []
    return known


def hash_content(entry: Any, candidates: list[PublishedLoRA]) -> list[str]:
    """Lets the host hash a file that may be one of the candidates, and returns the known hashes.

    The host caches the hashes. With --no-hashing it computes none.
    """
    if any(file.data_sha256 for file in candidates) and not entry.hash:
        entry.read_hash()
    is_known = any(file.data_sha256 and entry.hash.startswith(file.data_sha256) for file in candidates)
    if not is_known and any(not file.data_sha256 for file in candidates):
        hashes.sha256(entry.filename, f"tcd/{entry.name}")
    return list_hashes(entry)


def describe(name: str, weight: float) -> ActiveLoRA:
    """Returns what is known about a LoRA in a prompt."""
    entry = look_up(name)
    if entry is None:
        return ActiveLoRA(name, weight, is_missing=True, is_ambiguous=is_alias_of_several(name))
    header = read_header(entry)
    fault = find_fault(Path(entry.filename)) if header is None else None
    return ActiveLoRA(name, weight, header, identify(entry), fault=fault)


def is_alias_of_several(name: str) -> bool:
    """Whether several files share a name as an alias."""
    networks = find_networks()
    return networks is not None and is_forbidden(name) and name in networks.available_network_aliases


def choose_lora(wanted: str, family: str | None, may_hash: bool = True) -> Any:
    """Returns the host's entry for a preset's LoRA, or None.

    wanted is a method, whose best file for the base family is returned, or the name of a file.
    """
    if wanted not in CATALOGUE.methods:
        entry = look_up(wanted)
        header = read_header(entry) if entry else None
        return None if header and header.family not in (None, family) else entry
    files = [file for file in CATALOGUE.files if (file.recommended.method, file.family) == (wanted, family)]
    labelled = [*list_known(files), *get_index().by_method.get(wanted, [])]
    return pick(labelled, wanted, family, files) or pick(list_unlabelled(files, may_hash), wanted, family, files)


def describe_lora(wanted: str, family: str | None) -> dict[str, Any]:
    """Returns the values of messages about a preset's LoRA, as choose_lora gets it."""
    return {"lora": CATALOGUE.get_title(wanted), "family": family or Message(messages.THIS_CHECKPOINT)}


def explain_missing(wanted: str, family: str | None) -> Message:
    """Returns the reason why choose_lora found none."""
    entry = None if wanted in CATALOGUE.methods else look_up(wanted)
    header = read_header(entry) if entry else None
    values = describe_lora(wanted, family)
    if header:
        return Message(messages.LORA_OF_OTHER_FAMILY, {**values, "lora_family": header.family})
    return Message(messages.NO_SUCH_LORA, values)


def list_known(files: list[PublishedLoRA]) -> Iterator[Any]:
    """Iterates over the host's entries whose hash is that of one of these files."""
    lookup = find_networks().available_network_hash_lookup if find_networks() else {}
    return (lookup[file.data_sha256] for file in files if file.data_sha256 in lookup)


def list_unlabelled(files: list[PublishedLoRA], may_hash: bool) -> Iterator[Any]:
    """Iterates over the entries that only their content identifies as one of these files."""
    index, sizes = get_index(), {file.size for file in files}
    if not sizes:
        return iter(())
    candidates = (entry for entry in index.unlabelled if index.get_size(entry) in sizes)
    return (entry for entry in candidates if list_same_size(entry, files) and identify(entry, may_hash))


def pick(entries: Iterable[Any], method: str, family: str | None, files: list[PublishedLoRA]) -> Any:
    """Returns the best entry of a method for a base family, or None.

    Files in kohya's format come first, then published files, then the order of names.
    """
    ranks, strip = [], get_strip()
    for entry in {id(entry): entry for entry in entries if is_usable(entry.name, strip)}.values():
        header = read_header(entry)
        identity = identify(entry) if header and header.family == family else None
        if header and identity and identity.recommended.method == method:
            is_published = identity.by == CONTENT or bool(list_same_size(entry, files))
            ranks.append((header.format != KOHYA, not is_published, entry.name, entry))
    return min(ranks, key=lambda rank: rank[:3])[3] if ranks else None


def is_for_tcd(name: str) -> bool:
    """Whether a LoRA in a prompt is installed and made for TCD. Hashes an unidentified file that may be one."""
    entry = look_up(name)
    identity = identify(entry, may_hash=True) if entry else None
    return identity is not None and identity.recommended.is_for_tcd
