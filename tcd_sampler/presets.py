"""Presets: named sets of generation settings. presets.json has the built-in ones; a file keeps the user's own."""

import json
import os
from dataclasses import asdict, dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any

from . import messages
from .errors import UserError, get_reason

AUTOMATIC = "Automatic"
"""The schedule type that stands for the sampler's default schedule."""

LIMITS = [("steps", 1, 150), ("cfg_scale", 1, 30), ("denoising_strength", 0, 1), ("gamma", 0, 1), ("weight", -10, 10)]
"""The WebUIs' limits: field, lowest and highest value."""


@dataclass(frozen=True)
class Preset:
    """A preset. Fields that are None are left unchanged.

    lora is a method of the catalogue, such as "TCD", or the name of a LoRA file without its extension.
    """

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
        """Raises UserError if a field has a wrong type or is out of range."""
        for field in ("name", "sampler", "schedule", "lora"):
            value = getattr(self, field)
            if not (isinstance(value, str) and value.strip()) and not (field == "lora" and value is None):
                raise UserError(messages.PRESET_TEXT, field=field, value=repr(value))
        for field, low, high in LIMITS:
            check_number(self, field, low, high)

    @property
    def is_for_img2img(self) -> bool:
        """Whether the preset sets a denoising strength. In txt2img that field belongs to the hires pass."""
        return self.denoising_strength is not None


def check_number(preset: Preset, field: str, low: float, high: float) -> None:
    """Raises UserError unless the field is a number from low to high, or None where the field may be None."""
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
    """Returns the preset that an object of a presets file describes. Raises UserError for any other object."""
    known = {field.name for field in fields(Preset)}
    if not isinstance(data, dict) or "name" not in data or not data.keys() <= known:
        raise UserError(messages.PRESET_FIELDS, fields=", ".join(sorted(known - {"name"})), value=repr(data))
    return Preset(**data)


BUILT_IN = [make_preset(data) for data in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))]


def is_built_in(name: str) -> bool:
    return name in {preset.name for preset in BUILT_IN}


class Presets:
    """The built-in presets, followed by the user's own, which are stored in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read_own(self) -> list[Preset]:
        """Returns the presets in the user's file, or an empty list if there is no file.

        Raises UserError if the file cannot be read. The message has the file's name without its folder: visitors of a
        shared WebUI must not see the server's paths.
        """
        if not self.file.exists():
            return []
        try:
            data = json.loads(self.file.read_text(encoding="utf-8-sig"))
            if not isinstance(data, list):
                raise UserError(messages.NOT_A_LIST)
            return [make_preset(entry) for entry in data]
        except (OSError, UserError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(messages.CANNOT_READ_PRESETS, file=self.file.name, reason=get_reason(error)) from error

    def write_own(self, presets: list[Preset]) -> None:
        """Replaces the user's file with these presets. Raises UserError, and leaves the file unchanged, on failure."""
        default = asdict(Preset("default"))
        data = [{k: v for k, v in asdict(preset).items() if v != default[k]} for preset in presets]
        part = self.file.with_suffix(".part")
        try:
            part.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")
            os.replace(part, self.file)
        except (OSError, UnicodeError) as error:
            part.unlink(missing_ok=True)
            raise UserError(messages.CANNOT_WRITE, file=self.file.name, reason=get_reason(error)) from error

    def list(self, img2img: bool = True) -> list[Preset]:
        """Returns all presets, or those for txt2img. Raises UserError if the user's file cannot be read."""
        return [preset for preset in (*BUILT_IN, *self.read_own()) if img2img or not preset.is_for_img2img]

    def find(self, name: Any, img2img: bool = True) -> Preset:
        """Returns the preset of this name.

        Raises UserError, with the list of known names, if there is none, or if txt2img asks for an img2img preset.
        """
        found = next((preset for preset in BUILT_IN if preset.name == name), None)
        found = found or next((preset for preset in self.read_own() if preset.name == name), None)
        if found is None:
            names = "; ".join(preset.name for preset in self.list())
            raise UserError(messages.UNKNOWN_PRESET, names=names, value=repr(name))
        if found.is_for_img2img and not img2img:
            raise UserError(messages.PRESET_FOR_IMG2IMG, preset=repr(name))
        return found

    def save(self, preset: Preset) -> None:
        """Adds the preset to the user's own and replaces one of the same name.

        Raises UserError if the name is that of a built-in preset, or if the file cannot be read or written.
        """
        if is_built_in(preset.name):
            raise UserError(messages.SAVE_BUILT_IN, preset=repr(preset.name))
        own = self.read_own()
        index = next((i for i, other in enumerate(own) if other.name == preset.name), len(own))
        self.write_own([*own[:index], preset, *own[index + 1 :]])

    def delete(self, name: str) -> None:
        """Deletes a preset of the user's own. Raises UserError for built-in and unknown presets."""
        self.find(name)
        if is_built_in(name):
            raise UserError(messages.DELETE_BUILT_IN, preset=repr(name))
        self.write_own([preset for preset in self.read_own() if preset.name != name])
