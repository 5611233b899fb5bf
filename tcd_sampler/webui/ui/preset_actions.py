"""What the buttons beside the presets do, whatever the page is made of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ... import messages
from ...errors import UserError
from ...loras.catalogue import CATALOGUE, Published
from ...loras.prompt import find_loras, put_lora
from ...messages import Message
from ...presets import BUILT_IN, Preset
from .. import lora_files
from ..compat.files import get_checkpoint
from ..compat.options import strips_comments
from ..compat.page import may_write_files
from ..loras import choose_lora, is_for_tcd
from ..presets import PRESETS

FIELDS = ("sampler", "schedule", "steps", "cfg_scale", "denoising_strength", "gamma")
"""A preset's fields that the page has controls for."""


@dataclass(frozen=True)
class Outcome:
    """What a button changes, and what it tells the user. Fields that are None are left unchanged."""

    message: Message | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Values of controls, by the preset's fields."""

    prompt: str | None = None
    can_convert: bool | None = None
    """Whether a LoRA in the prompt can be converted."""

    names: list[str] | None = None
    """The list of presets, after it has changed."""

    name: str | None = None
    """The preset that is selected in it."""


@dataclass(frozen=True)
class Progress:
    """Bytes of a download that are there."""

    file: Published
    done: int


def list_names(is_img2img: bool) -> list[str]:
    """The names of the built-in presets alone where the user's own cannot be read; saving one then says so."""
    try:
        presets = PRESETS.list(is_img2img)
    except UserError:
        presets = [preset for preset in BUILT_IN if is_img2img or not preset.is_for_img2img]
    return [preset.name for preset in presets]


def apply(name: str, prompt: str, is_img2img: bool) -> Outcome:
    """Sets what the preset names, and puts its LoRA into the prompt in place of another for TCD.

    UserError if there is no such preset.
    """
    preset = PRESETS.find(name, is_img2img)
    values = {name: getattr(preset, name) for name in FIELDS}
    settings = {name: value for name, value in values.items() if value is not None}
    if preset.lora is None:
        return Outcome(Message(messages.APPLIED, {"preset": preset.name}), settings)
    _, family = get_checkpoint()
    lora = choose_lora(preset.lora, family)
    if lora is None:
        return Outcome(advise_download(preset, family), settings)
    has_comments = strips_comments()
    others = {found for found, _ in find_loras(prompt, has_comments) if is_for_tcd(found)}
    prompt = put_lora(prompt, lora.name, preset.weight, others, has_comments)
    foreign = lora_files.find_foreign(prompt) if may_write_files() else None
    message = Message(messages.ADDED, {"preset": preset.name, "lora": lora.name})
    if foreign:
        message = Message(messages.FOREIGN, {"lora": foreign})
    return Outcome(message, settings, prompt, can_convert=bool(foreign))


def advise_download(preset: Preset, family: str | None) -> Message:
    """Says that a preset's LoRA is not installed, and which file the download button would fetch."""
    values = {"preset": preset.name, "lora": preset.lora, "family": family or "this checkpoint"}
    file = CATALOGUE.find(preset.lora or "", family)
    if file is None or not may_write_files():
        return Message(messages.NO_FILE, values)
    size = round(file.size / 1e6)
    return Message(messages.NO_FILE_GET, {**values, "file": file.name, "size": size, "license": file.license})


def save(name: str, prompt: str, settings: dict[str, Any], is_img2img: bool) -> Outcome:
    """Keeps what the controls say now, and the prompt's LoRA for TCD. UserError if that cannot be a preset."""
    settings = {**settings, "steps": round(settings["steps"])}
    found = find_loras(prompt, strips_comments())
    loras = [(lora, weight) for lora, weight in found if weight is not None and is_for_tcd(lora)]
    if loras:
        settings["lora"], settings["weight"] = loras[0]
    name = (name or "").strip()
    PRESETS.save(Preset(name, **settings))
    return Outcome(Message(messages.SAVED, {"preset": name}), names=list_names(is_img2img), name=name)


def delete(name: str, is_img2img: bool) -> Outcome:
    """UserError where it is not the user's own."""
    PRESETS.delete(name)
    names = list_names(is_img2img)
    return Outcome(Message(messages.DELETED, {"preset": name}), names=names, name=names[0])


def fetch(name: str) -> Iterator[Progress | Outcome]:
    """Downloads the preset's LoRA for the checkpoint's family. UserError if that fails."""
    _, family = get_checkpoint()
    lora = PRESETS.find(name).lora or "TCD"
    file = CATALOGUE.find(lora, family)
    if file is None:
        values = {"lora": lora, "family": family or "this checkpoint"}
        yield Outcome(Message(messages.NOTHING_TO_GET, values))
        return
    for done in lora_files.get(file):
        yield Progress(file, done)
    yield Outcome(Message(messages.IS_THERE, {"lora": file.name}))


def convert(prompt: str) -> Outcome:
    """Puts a copy into the prompt in place of the first LoRA that the host cannot load. UserError if that fails."""
    original = lora_files.find_foreign(prompt)
    if original is None:
        return Outcome(can_convert=False)
    copy = lora_files.convert(original)
    has_comments = strips_comments()
    weight = dict(find_loras(prompt, has_comments))[original]
    prompt = put_lora(prompt, copy, 1 if weight is None else weight, {original}, has_comments)
    message = Message(messages.CONVERTED, {"lora": copy, "original": original})
    return Outcome(message, prompt=prompt, can_convert=lora_files.find_foreign(prompt) is not None)
