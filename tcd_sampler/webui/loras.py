"""The host's LoRAs: what each of its files is, and which of them suits a preset.

Collections have thousands of files, and a job is not to wait for them. So what the host has in memory is asked first
(names, metadata, hashes), and only the few files that these point to are opened. A file is hashed only where nothing
else tells which it is and a choice depends on it.
"""

import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from modules import hashes

from ..advice import Active
from ..loras.catalogue import CATALOGUE, CONTENT, OUTPUT_NAME, TITLE, Identity, Published
from ..loras.header import KOHYA, LoRA, find_fault, read_lora
from ..loras.prompt import is_usable
from .compat.networks import find_networks
from .compat.options import get_setting, strips_comments


def look_up(name: str) -> Any:
    """Returns the host's entry for a name in a prompt, by its own rule; it has name, filename, hash and metadata.

    None where there is no such LoRA, or where the name is an alias that several files share.
    """
    networks = find_networks()
    if networks is None:
        return None
    known = networks.available_networks if is_refused(name) else networks.available_network_aliases
    return known.get(name)


def is_refused(name: str) -> bool:
    """Whether the host takes a name for a file's alone, since it is an alias of several."""
    return name.lower() in find_networks().forbidden_network_aliases


@dataclass
class Index:
    """Of one listing of the host's: which of its files their names and metadata tell to be of a method."""

    entries: list[Any]
    by_method: dict[str, list[Any]] = field(default_factory=dict)
    unlabelled: list[Any] = field(default_factory=list)
    """Files that could be any: the published ones have no metadata, and may have been renamed."""

    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.entries:
            label = CATALOGUE.find_use_by_label(entry)
            if label:
                self.by_method.setdefault(label[0].method, []).append(entry)
            elif not (entry.metadata.get(OUTPUT_NAME) or entry.metadata.get(TITLE)):
                self.unlabelled.append(entry)

    def get_size(self, entry: Any) -> int | None:
        """The size of an entry's file in bytes, asked of the system once; None where there is no file."""
        if entry.filename not in self.sizes:
            try:
                self.sizes[entry.filename] = os.stat(entry.filename).st_size
            except OSError:
                return None
        return self.sizes[entry.filename]


last_index = Index([])


def get_index() -> Index:
    """Returns the index of what the host lists now."""
    global last_index
    networks = find_networks()
    entries = list(networks.available_networks.values()) if networks else []
    if entries != last_index.entries:
        last_index = Index(entries)
    return last_index


def get_default_lora(p: Any) -> tuple[Any, Any] | None:
    """The LoRA that a setting of the host's, or of the job's own, adds to its prompts, and its weight, unchecked.

    By its file's name alone, as the host has it. A list or dict is returned as it is: over one, the host applies no
    LoRA at all.
    """
    name = get_setting(p, "sd_lora", "None")
    networks = find_networks()
    if isinstance(name, Hashable) and (networks is None or name not in networks.available_networks):
        return None
    return name, get_setting(p, "extra_networks_default_multiplier", 1)


def read_header(entry: Any) -> LoRA | None:
    """What the file is, or None where it is no safetensors file."""
    try:
        status = os.stat(entry.filename)
        return read_cached(entry.filename, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):  # describe() says what is wrong with it
        return None


@cache
def read_cached(filename: str, *_: Any) -> LoRA:
    """Of the few files that are opened at all."""
    return read_lora(Path(filename))


def identify(entry: Any, may_hash: bool = False) -> Identity | None:
    """Which LoRA a file is, by what the host knows of it; by its whole content only where nothing else tells."""
    identity = CATALOGUE.identify(entry, list_hashes(entry))
    if identity or not may_hash:
        return identity
    return CATALOGUE.identify(entry, hash_content(entry, list_alike(entry, CATALOGUE.files)))


def list_alike(entry: Any, files: Iterable[Published]) -> list[Published]:
    """Those of some published files that have its size, and could be it; none where the file is gone by now."""
    size = get_index().get_size(entry)
    alike = [file for file in files if file.size == size]
    return alike if alike and os.path.exists(entry.filename) else []


def list_hashes(entry: Any) -> list[str]:
    """Those that are at hand. The host keeps whole files' hashes on disk: they are asked for where one could tell."""
    known = [entry.hash] if entry.hash else []
    if any(not file.data_sha256 for file in list_alike(entry, CATALOGUE.files)):
        whole = hashes.sha256_from_cache(entry.filename, f"tcd/{entry.name}")
        known += [whole] if whole else []
    return known


def hash_content(entry: Any, alike: list[Published]) -> list[str]:
    """Has the host hash a file, once, if it could be one of the published files. It does nothing with --no-hashing."""
    if any(file.data_sha256 for file in alike) and not entry.hash:
        entry.read_hash()
    is_known = any(file.data_sha256 and entry.hash.startswith(file.data_sha256) for file in alike)
    if not is_known and any(not file.data_sha256 for file in alike):
        hashes.sha256(entry.filename, f"tcd/{entry.name}")
    return list_hashes(entry)


def describe(name: str, weight: float) -> Active:
    """A LoRA that a prompt names."""
    entry = look_up(name)
    if entry is None:
        return Active(name, weight, is_missing=True, is_ambiguous=is_alias_of_several(name))
    header = read_header(entry)
    fault = find_fault(Path(entry.filename)) if header is None else None
    return Active(name, weight, header, identify(entry), fault=fault)


def is_alias_of_several(name: str) -> bool:
    networks = find_networks()
    return networks is not None and is_refused(name) and name in networks.available_network_aliases


def choose_lora(wanted: str, family: str | None, may_hash: bool = True) -> Any:
    """The host's entry for a preset's LoRA, or None: the file of that name, or the best of that method for a family."""
    if wanted not in CATALOGUE.methods:
        entry = look_up(wanted)
        header = read_header(entry) if entry else None
        return None if header and header.family not in (None, family) else entry
    files = [file for file in CATALOGUE.files if (file.use.method, file.family) == (wanted, family)]
    told = [*list_known(files), *get_index().by_method.get(wanted, [])]
    return pick(told, wanted, family, files) or pick(list_hidden(files, may_hash), wanted, family, files)


def list_known(files: list[Published]) -> Iterator[Any]:
    """The entries that the host has the hash of one of these files for."""
    lookup = find_networks().available_network_hash_lookup if find_networks() else {}
    return (lookup[file.data_sha256] for file in files if file.data_sha256 in lookup)


def list_hidden(files: list[Published], may_hash: bool) -> Iterator[Any]:
    """The entries that nothing but their content tells to be one of these files."""
    index, sizes = get_index(), {file.size for file in files}
    if not sizes:
        return iter(())
    alike = (entry for entry in index.unlabelled if index.get_size(entry) in sizes)
    return (entry for entry in alike if list_alike(entry, files) and identify(entry, may_hash))


def pick(entries: Iterable[Any], method: str, family: str | None, files: list[Published]) -> Any:
    """The best of a method's files for a base family: those that the host can load first, then the published ones."""
    ranks = []
    for entry in {id(entry): entry for entry in entries if is_usable(entry.name, strips_comments())}.values():
        header = read_header(entry)
        identity = identify(entry) if header and header.family == family else None
        if header and identity and identity.use.method == method:
            is_published = identity.by == CONTENT or bool(list_alike(entry, files))
            ranks.append((header.format != KOHYA, not is_published, entry.name, entry))
    return min(ranks, key=lambda rank: rank[:3])[3] if ranks else None


def is_for_tcd(name: str) -> bool:
    """Whether a prompt's LoRA is there, and one for TCD. Hashes a file that could be, and is not known."""
    entry = look_up(name)
    identity = identify(entry, may_hash=True) if entry else None
    return identity is not None and identity.use.is_for_tcd
