"""Recipes: settings that belong together, by name. The built-in ones are in recipes.json, the user's own in a file."""

import json
import os
from dataclasses import asdict, dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any

from .gamma import check_gamma

AUTOMATIC = "Automatic"
"""The schedule that is a sampler's own."""

LIMITS = [("steps", 1, 150), ("cfg_scale", 1, 30), ("denoising_strength", 0, 1), ("weight", -10, 10)]
"""As the WebUIs have them."""


@dataclass(frozen=True)
class Recipe:
    """What is None, it leaves as it is. lora is a line of the catalogue, or a file's name without ending."""

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
        """ValueError, in one sentence, for what cannot be a recipe."""
        for field in ("name", "sampler", "schedule", "lora"):
            value = getattr(self, field)
            if not (isinstance(value, str) and value.strip()) and not (field == "lora" and value is None):
                raise ValueError(f"A TCD recipe's {field} must be a text, not {value!r}.")
        if self.gamma is not None:
            check_gamma(self.gamma, f"The gamma of the TCD recipe {self.name!r}")
        for field, low, high in LIMITS:
            check_number(self, field, low, high)

    @property
    def is_for_img2img(self) -> bool:
        """txt2img has a denoising strength too, but that is its hires pass's."""
        return self.denoising_strength is not None


def check_number(recipe: Recipe, field: str, low: float, high: float) -> None:
    value, is_whole = getattr(recipe, field), field == "steps"
    if value is None and field != "weight":
        return
    is_number = isinstance(value, int if is_whole else Real) and not isinstance(value, bool)
    if not (is_number and low <= value <= high):
        kind = "a whole number" if is_whole else "a number"
        of = f"The {field} of the TCD recipe {recipe.name!r}"
        raise ValueError(f"{of} must be {kind} from {low} to {high}, not {value!r}.")


def make_recipe(data: Any) -> Recipe:
    """A recipe out of a file. ValueError for what is none."""
    known = {field.name for field in fields(Recipe)}
    if not isinstance(data, dict) or "name" not in data or not data.keys() <= known:
        raise ValueError(f"A TCD recipe has a name and any of {', '.join(sorted(known - {'name'}))}, unlike {data!r}.")
    return Recipe(**data)


BUILT_IN = [make_recipe(data) for data in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))]


def describe(error: Exception) -> str:
    """What the system or a check says, without the paths that the system's messages have."""
    return str(getattr(error, "strerror", None) or error)


class Recipes:
    """The built-in ones, then the user's own, which are kept in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read_own(self) -> list[Recipe]:
        """ValueError, naming the file, where it cannot be read; it is left as it is.

        By its name alone: visitors of a WebUI are not to learn of its folders.
        """
        if not self.file.exists():
            return []
        try:
            data = json.loads(self.file.read_text(encoding="utf-8-sig"))
            if not isinstance(data, list):
                raise ValueError("it is not a list")
            return [make_recipe(entry) for entry in data]
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.file.name} cannot be read ({describe(error)}). Fix or remove the file.") from error

    def write_own(self, recipes: list[Recipe]) -> None:
        """All of them or, where that fails, none: the file stays as it was. ValueError says why."""
        default = asdict(Recipe("default"))
        data = [{k: v for k, v in asdict(recipe).items() if v != default[k]} for recipe in recipes]
        part = self.file.with_suffix(".part")
        try:
            part.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")
            os.replace(part, self.file)
        except (OSError, UnicodeError) as error:
            part.unlink(missing_ok=True)
            raise ValueError(f"{self.file.name} cannot be written ({describe(error)}).") from error

    def list(self, img2img: bool = True) -> list[Recipe]:
        return [recipe for recipe in (*BUILT_IN, *self.read_own()) if img2img or not recipe.is_for_img2img]

    def find(self, name: Any, img2img: bool = True) -> Recipe:
        """ValueError, with the names that there are, for another one; and in txt2img for one of img2img's."""
        found = next((recipe for recipe in BUILT_IN if recipe.name == name), None)
        found = found or next((recipe for recipe in self.read_own() if recipe.name == name), None)
        if found is None:
            names = "; ".join(recipe.name for recipe in self.list())
            raise ValueError(f"TCD recipe must be one of: {names}; not {name!r}.")
        if found.is_for_img2img and not img2img:
            raise ValueError(f"TCD recipe {name!r} is for img2img.")
        return found

    def save(self, recipe: Recipe) -> None:
        """Adds it to the user's own, in place of one of the same name. ValueError for a built-in one's name."""
        self.check_is_own(recipe.name, "saved under another name")
        own = self.read_own()
        at = next((i for i, other in enumerate(own) if other.name == recipe.name), len(own))
        self.write_own([*own[:at], recipe, *own[at + 1 :]])

    def delete(self, name: str) -> None:
        """ValueError where it is not the user's own."""
        self.find(name)
        self.check_is_own(name, "left as it is")
        self.write_own([recipe for recipe in self.read_own() if recipe.name != name])

    @staticmethod
    def check_is_own(name: str, what_then: str) -> None:
        if name in {recipe.name for recipe in BUILT_IN}:
            raise ValueError(f"TCD recipe {name!r} is built in: it can only be {what_then}.")
