"""Catalogue of published distillation LoRAs, which identifies LoRA files. The data are in catalogue.json."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

CONTENT, METADATA, NAME = "content", "metadata", "name"
"""Evidence for a file's identity, most reliable first."""

TITLE, OUTPUT_NAME = "modelspec.title", "ss_output_name"
"""Metadata keys: the title of the LoRA, and the output name that its trainer chose."""

DATA_HASH_LENGTH = 12
"""Characters of a data hash that the catalogue and the WebUIs keep."""


@dataclass(frozen=True)
class RecommendedSettings:
    """The sampler and settings that a LoRA was made for. steps and cfg_scale are ranges: lowest, highest."""

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
class PublishedLoRA:
    """A file on the Hugging Face hub, with its size in bytes and its SHA-256.

    data_sha256 is the start of the SHA-256 of everything after the header, or "" if unknown. The WebUIs use it as the
    LoRA's hash.
    """

    name: str
    family: str
    repository: str
    path: str
    size: int
    sha256: str
    license: str
    recommended: RecommendedSettings
    data_sha256: str = ""


@dataclass(frozen=True)
class Identity:
    """The method of a LoRA file, and the evidence for it. file is set if the content is that of a published file."""

    recommended: RecommendedSettings
    by: str
    file: PublishedLoRA | None = None


def get_words(text: str) -> str:
    """Returns the text in lower case, with a single space instead of punctuation and underscores."""
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def split_words(text: str) -> str:
    """Returns the words of a text, with compounds split: photo2LightningDPM becomes "photo 2 lightning dpm"."""
    return get_words(re.sub(r"(?<=[a-z])(?=[A-Z\d])|(?<=\d)(?=[A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z]|\d)", " ", text))


class Named(Protocol):
    """A LoRA file's name and metadata, which are known without opening the file."""

    @property
    def name(self) -> str: ...
    @property
    def metadata(self) -> dict[str, Any]: ...


class Catalogue:
    """Distillation methods and their published files."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.methods = data["methods"]
        self.files = [self.make(method, file) for method, files in data["files"].items() for file in files]

    def make(self, method: str, file: dict[str, Any]) -> PublishedLoRA:
        """Returns the published file that an entry of the data describes.

        Values that the entry lacks come from its method; the default path is the name with .safetensors.
        """
        settings = {"path": f"{file['name']}.safetensors", **self.methods[method], **file}
        known = {name: settings[name] for name in PublishedLoRA.__dataclass_fields__ if name in settings}
        return PublishedLoRA(**known, recommended=self.make_recommended(method, settings))

    @staticmethod
    def make_recommended(method: str, settings: dict[str, Any]) -> RecommendedSettings:
        known = {name: settings[name] for name in RecommendedSettings.__dataclass_fields__ if name in settings}
        return RecommendedSettings(
            **{**known, "method": method, "steps": tuple(known["steps"]), "cfg_scale": tuple(known["cfg_scale"])}
        )

    @cached_property
    def for_tcd(self) -> list[PublishedLoRA]:
        """The files for this sampler, of any method."""
        return [file for file in self.files if file.recommended.is_for_tcd]

    @cached_property
    def recommended_by_name(self) -> dict[str, RecommendedSettings]:
        """The recommended settings, by the words of the file's name."""
        return {get_words(file.name): file.recommended for file in self.files}

    @cached_property
    def by_hash(self) -> dict[str, PublishedLoRA]:
        """The files, by their SHA-256 and, where known, by the start of their data hash."""
        whole = {file.sha256: file for file in self.files}
        return {**whole, **{file.data_sha256: file for file in self.files if file.data_sha256}}

    @cached_property
    def find_recommended_cached(self) -> Callable[[str], RecommendedSettings | None]:
        """find_recommended with a cache, since each job searches thousands of names in a large collection."""
        return cache(self.find_recommended)

    def find_recommended_by_label(self, lora: Named) -> tuple[RecommendedSettings, str] | None:
        """Returns a file's recommended settings and the evidence, METADATA or NAME; None if its labels tell nothing.

        The labels are, in this order: the title, the trainer's output name, the file's name.
        """
        title, output_name = lora.metadata.get(TITLE), lora.metadata.get(OUTPUT_NAME)
        for by, text in ((METADATA, title), (NAME, output_name), (NAME, lora.name)):
            # the host parses JSON in metadata, so a value may be of any type
            recommended = self.find_recommended_cached(text) if isinstance(text, str) else None
            if recommended:
                return recommended, by
        return None

    def find(self, wanted: str, family: str | None) -> PublishedLoRA | None:
        """Returns the first file of a method, or the file of a name, for a base family, or None."""
        files = (file for file in self.files if wanted in (file.recommended.method, file.name))
        return next((file for file in files if file.family == family), None)

    def get_title(self, wanted: str) -> str:
        """Returns what messages call a preset's LoRA: a method, such as "TCD LoRA", or the name of a file."""
        return f"{wanted} LoRA" if wanted in self.methods else wanted

    def identify(self, lora: Named, hashes: Iterable[str] = ()) -> Identity | None:
        """Returns a file's identity, from the known hashes of its content (either kind), else metadata, else names."""
        for digest in hashes:
            file = self.by_hash.get(digest) or self.by_hash.get(digest[:DATA_HASH_LENGTH])
            if file:
                return Identity(file.recommended, CONTENT, file)
        label = self.find_recommended_by_label(lora)
        return Identity(*label) if label else None

    def find_recommended(self, text: str) -> RecommendedSettings | None:
        """Returns the recommended settings of the published file, or else the method, that a text names."""
        if not self.keywords.search(text.lower()):
            return None
        words = get_words(text)
        if words in self.recommended_by_name:
            return self.recommended_by_name[words]
        for method, settings in self.methods.items():
            if re.search(settings["words"], words):
                return self.make_recommended(method, settings)
        return None

    def names_distillation(self, checkpoint: str, words: Iterable[str]) -> bool:
        """Whether a checkpoint's name contains a method's name, or one of the words or phrases as whole words."""
        name = f" {split_words(checkpoint)} "
        phrases = [phrase for phrase in map(split_words, words) if phrase]
        return self.find_recommended(checkpoint) is not None or any(f" {phrase} " in name for phrase in phrases)

    @cached_property
    def keywords(self) -> re.Pattern[str]:
        """Matches names that may contain a method's name. This cheap test excludes most names of a collection."""
        return re.compile("|".join(settings["keywords"] for settings in self.methods.values()))


CATALOGUE = Catalogue(json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")))
