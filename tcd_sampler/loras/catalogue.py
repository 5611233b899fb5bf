"""The published distillation LoRAs, and which of them a file is. The data are in catalogue.json."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

CONTENT, METADATA, NAME = "content", "metadata", "name"
"""What an identity was told by, surest first."""

TITLE, OUTPUT_NAME = "modelspec.title", "ss_output_name"
"""The metadata that say what a file is, and what its trainer called it."""

DATA_HASH_LENGTH = 12


@dataclass(frozen=True)
class Use:
    """What a LoRA is made for: a sampler, and settings for it; steps and CFG scale from, to."""

    method: str
    sampler: str
    steps: tuple[int, int]
    cfg_scale: tuple[float, float]
    schedule: str | None = None
    gamma: float | None = None

    @property
    def is_for_tcd(self) -> bool:
        return self.sampler == "TCD"


@dataclass(frozen=True)
class Published:
    """A file on the hub: its size in bytes, and the SHA-256 of it whole.

    data_sha256, where known, is the beginning of that of all that follows the header. WebUIs call it the LoRA's hash.
    """

    name: str
    family: str
    repository: str
    path: str
    size: int
    sha256: str
    license: str
    use: Use
    data_sha256: str = ""


@dataclass(frozen=True)
class Identity:
    """Which LoRA a file is, and what told so; file where it is a published one for certain."""

    use: Use
    by: str
    file: Published | None = None


def get_words(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def split_words(text: str) -> str:
    """Its words, those of compounds too: photo2LightningDPM is "photo 2 lightning dpm"."""
    return get_words(re.sub(r"(?<=[a-z])(?=[A-Z\d])|(?<=\d)(?=[A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z]|\d)", " ", text))


class Named(Protocol):
    """A LoRA file, by what can be said of it without opening it."""

    @property
    def name(self) -> str: ...
    @property
    def metadata(self) -> dict[str, Any]: ...


class Catalogue:
    """Distillation methods, and the published files of each."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.methods = data["methods"]
        self.files = [self.make(method, file) for method, files in data["files"].items() for file in files]

    def make(self, method: str, file: dict[str, Any]) -> Published:
        """A file has its method's settings where it brings none of its own; its path is its name unless told."""
        settings = {"path": f"{file['name']}.safetensors", **self.methods[method], **file}
        known = {name: settings[name] for name in Published.__dataclass_fields__ if name in settings}
        return Published(**known, use=self.make_use(method, settings))

    @staticmethod
    def make_use(method: str, settings: dict[str, Any]) -> Use:
        known = {name: settings[name] for name in Use.__dataclass_fields__ if name in settings}
        return Use(
            **{**known, "method": method, "steps": tuple(known["steps"]), "cfg_scale": tuple(known["cfg_scale"])}
        )

    @cached_property
    def for_tcd(self) -> list[Published]:
        return [file for file in self.files if file.use.is_for_tcd]

    @cached_property
    def uses(self) -> dict[str, Use]:
        """By the words of the files' names."""
        return {get_words(file.name): file.use for file in self.files}

    @cached_property
    def by_hash(self) -> dict[str, Published]:
        """The files by their whole SHA-256, and by the beginning of the other hash where that is known."""
        whole = {file.sha256: file for file in self.files}
        return {**whole, **{file.data_sha256: file for file in self.files if file.data_sha256}}

    @cached_property
    def uses_by_text(self) -> Callable[[str], Use | None]:
        """find_use, which remembers its answers: a collection's thousands of names are looked through at each job."""
        return cache(self.find_use)

    def find_use_by_label(self, lora: Named) -> tuple[Use, str] | None:
        """What a file's metadata tell or else its trainer's name for it, or its own; and which of them."""
        title, output_name = lora.metadata.get(TITLE), lora.metadata.get(OUTPUT_NAME)
        for by, text in ((METADATA, title), (NAME, output_name), (NAME, lora.name)):
            use = self.uses_by_text(text) if isinstance(text, str) else None  # a host reads JSON in it as what it is
            if use:
                return use, by
        return None

    def find(self, method: str, family: str | None) -> Published | None:
        """A method's file for a base family: the first of them."""
        return next((file for file in self.files if (file.use.method, file.family) == (method, family)), None)

    def identify(self, lora: Named, hashes: Iterable[str] = ()) -> Identity | None:
        """By the hashes of its content (either kind) that are at hand; by its metadata; else by its name."""
        for digest in hashes:
            file = self.by_hash.get(digest) or self.by_hash.get(digest[:DATA_HASH_LENGTH])
            if file:
                return Identity(file.use, CONTENT, file)
        label = self.find_use_by_label(lora)
        return Identity(*label) if label else None

    def find_use(self, text: str) -> Use | None:
        """What a text names: a published file, else a method by its words."""
        if not self.keywords.search(text.lower()):
            return None
        words = get_words(text)
        if words in self.uses:
            return self.uses[words]
        for method, settings in self.methods.items():
            if re.search(settings["words"], words):
                return self.make_use(method, settings)
        return None

    def names_distillation(self, checkpoint: str, words: Iterable[str]) -> bool:
        """Whether a checkpoint's name names a method, or has one of some words or phrases in it, as whole words."""
        name = f" {split_words(checkpoint)} "
        wanted = [phrase for phrase in map(split_words, words) if phrase]
        return self.find_use(checkpoint) is not None or any(f" {phrase} " in name for phrase in wanted)

    @cached_property
    def keywords(self) -> re.Pattern[str]:
        """Any of what a name must have in it to name a method, which most of a collection's names have not."""
        return re.compile("|".join(settings["keywords"] for settings in self.methods.values()))


CATALOGUE = Catalogue(json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")))
