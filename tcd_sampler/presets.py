"""Presets: settings that belong together, by name. The built-in ones are in presets.json, the user's own in a file."""

import json
import os
from dataclasses import asdict, dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any

from . import messages
from .errors import UserError
from .gamma import check_gamma

AUTOMATIC = "Automatic"
"""The schedule that is a sampler's own."""

LIMITS = [("steps", 1, 150), ("cfg_scale", 1, 30), ("denoising_strength", 0, 1), ("weight", -10, 10)]
"""As the WebUIs have them."""


@dataclass(frozen=True)
class Preset:
    """What is None, it leaves as it is. lora is a method of the catalogue, or a file's name without ending."""

    name: str
    sampler: str = "TCD"
    schedule: str = AUTOMATIC
    steps: int | None = None
    cfg_scale: float | None = None
    gamma: float | None = None
    denoising_strength: float | None = None
    lora: str | None = None
    weight: float = 1

    def __post_init__(self) -> None:
        """UserError for what cannot be a preset."""
        for field in ("name", "sampler", "schedule", "lora"):
            value = getattr(self, field)
            if not (isinstance(value, str) and value.strip()) and not (field == "lora" and value is None):
                raise UserError(messages.PRESET_TEXT, field=field, value=repr(value))
        if self.gamma is not None:
            check_gamma(self.gamma, f"TCD preset {self.name!r}: gamma")
        for field, low, high in LIMITS:
            check_number(self, field, low, high)

    @property
    def is_for_img2img(self) -> bool:
        """txt2img has a denoising strength too, but that is its hires pass's."""
        return self.denoising_strength is not None


def check_number(preset: Preset, field: str, low: float, high: float) -> None:
    value, is_whole = getattr(preset, field), field == "steps"
    if value is None and field != "weight":
        return
    is_number = isinstance(value, int if is_whole else Real) and not isinstance(value, bool)
    if not (is_number and low <= value <= high):
        raise UserError(
            messages.PRESET_WHOLE_NUMBER if is_whole else messages.PRESET_NUMBER,
            preset=repr(preset.name), field=field, low=low, high=high, value=repr(value),
        )  # fmt: skip


def make_preset(data: Any) -> Preset:
    """A preset out of a file. UserError for what is none."""
    known = {field.name for field in fields(Preset)}
    if not isinstance(data, dict) or "name" not in data or not data.keys() <= known:
        raise UserError(messages.PRESET_FIELDS, fields=", ".join(sorted(known - {"name"})), value=repr(data))
    return Preset(**data)


BUILT_IN = [make_preset(data) for data in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))]


def is_built_in(name: str) -> bool:
    return name in {preset.name for preset in BUILT_IN}


def describe(error: Exception) -> str:
    """What the system or a check says, without the paths that the system's messages have."""
    return str(getattr(error, "strerror", None) or error)


class Presets:
    """The built-in ones, then the user's own, which are kept in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read_own(self) -> list[Preset]:
        """UserError, naming the file, where it cannot be read; it is left as it is.

        By its name alone: visitors of a WebUI are not to learn of its folders.
        """
        if not self.file.exists():
            return []
        try:
            data = json.loads(self.file.read_text(encoding="utf-8-sig"))
            if not isinstance(data, list):
                raise UserError(messages.NOT_A_LIST)
            return [make_preset(entry) for entry in data]
        except (OSError, UserError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(messages.CANNOT_READ_PRESETS, file=self.file.name, reason=describe(error)) from error

    def write_own(self, presets: list[Preset]) -> None:
        """All of them or, where that fails, none: the file stays as it was. UserError says why."""
        default = asdict(Preset("default"))
        data = [{k: v for k, v in asdict(preset).items() if v != default[k]} for preset in presets]
        part = self.file.with_suffix(".part")
        try:
            part.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")
            os.replace(part, self.file)
        except (OSError, UnicodeError) as error:
            part.unlink(missing_ok=True)
            raise UserError(messages.CANNOT_WRITE, file=self.file.name, reason=describe(error)) from error

    def list(self, img2img: bool = True) -> list[Preset]:
        return [preset for preset in (*BUILT_IN, *self.read_own()) if img2img or not preset.is_for_img2img]

    def find(self, name: Any, img2img: bool = True) -> Preset:
        """UserError, with the names that there are, for another one; and in txt2img for one of img2img's."""
        found = next((preset for preset in BUILT_IN if preset.name == name), None)
        found = found or next((preset for preset in self.read_own() if preset.name == name), None)
        if found is None:
            names = "; ".join(preset.name for preset in self.list())
            raise UserError(messages.UNKNOWN_PRESET, names=names, value=repr(name))
        if found.is_for_img2img and not img2img:
            raise UserError(messages.PRESET_FOR_IMG2IMG, preset=repr(name))
        return found

    def save(self, preset: Preset) -> None:
        """Adds it to the user's own, in place of one of the same name. UserError for a built-in one's name."""
        if is_built_in(preset.name):
            raise UserError(messages.SAVE_BUILT_IN, preset=repr(preset.name))
        own = self.read_own()
        at = next((i for i, other in enumerate(own) if other.name == preset.name), len(own))
        self.write_own([*own[:at], preset, *own[at + 1 :]])

    def delete(self, name: str) -> None:
        """UserError where it is not the user's own."""
        self.find(name)
        if is_built_in(name):
            raise UserError(messages.DELETE_BUILT_IN, preset=repr(name))
        self.write_own([preset for preset in self.read_own() if preset.name != name])
