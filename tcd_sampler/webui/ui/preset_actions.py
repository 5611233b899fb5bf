"""The actions of the preset buttons, independent of Gradio."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ... import messages
from ...errors import UserError
from ...loras.catalogue import CATALOGUE, PublishedLoRA
from ...loras.prompt import find_loras, insert_lora
from ...messages import Message
from ...presets import BUILT_IN, Preset
from .. import lora_files
from ..compat.comments import get_strip
from ..compat.files import get_checkpoint
from ..compat.page import may_write_files
from ..loras import choose_lora, describe_lora, explain_missing, is_for_tcd
from ..presets import PRESETS


@dataclass(frozen=True)
class Outcome:
    """The changes that a button makes, and its message. Fields that are None are left unchanged."""

    message: Message | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    """New values by the preset's fields. Some of these have no control in the page."""

    prompt: str | None = None
    can_convert: bool | None = None
    """Whether a LoRA in the prompt can be converted."""

    names: list[str] | None = None
    """The new list of presets."""

    name: str | None = None
    """The selected preset in the new list."""


@dataclass(frozen=True)
class Progress:
    """The number of bytes of a file that are downloaded."""

    file: PublishedLoRA
    done: int


def list_names(is_img2img: bool) -> list[str]:
    """Returns the names of a tab's presets, without the user's own if their file cannot be read.

    Saving a preset then reports that error.
    """
    try:
        presets = PRESETS.list(is_img2img)
    except UserError:
        presets = [preset for preset in BUILT_IN if is_img2img or not preset.is_for_img2img]
    return [preset.name for preset in presets]


def apply(name: str, prompt: str, is_img2img: bool) -> Outcome:
    """Applies a preset to the controls. Its LoRA replaces other TCD LoRAs in the prompt.

    Raises UserError if there is no such preset.
    """
    preset = PRESETS.find(name, is_img2img)
    settings = {field: value for field, value in vars(preset).items() if value is not None}
    if preset.lora is None:
        return Outcome(Message(messages.APPLIED, {"preset": preset.name}), settings)
    _, family = get_checkpoint()
    lora = choose_lora(preset.lora, family)
    if lora is None:
        return Outcome(describe_download(preset, family), settings)
    strip = get_strip()
    others = {found for found, _ in find_loras(prompt, strip) if is_for_tcd(found)}
    prompt = insert_lora(prompt, lora.name, preset.weight, others, strip)
    unsupported = lora_files.find_unsupported(prompt) if may_write_files() else None
    message = Message(messages.ADDED, {"preset": preset.name, "lora": lora.name})
    if unsupported:
        message = Message(messages.UNSUPPORTED, {"lora": unsupported})
    return Outcome(message, settings, prompt, can_convert=bool(unsupported))


def describe_download(preset: Preset, family: str | None) -> Message:
    """Returns the message that a preset's LoRA is not installed, with the file that the button would download."""
    wanted = preset.lora or ""
    values = {"preset": preset.name, "reason": explain_missing(wanted, family)}
    file = CATALOGUE.find(wanted, family)
    if file is None or not may_write_files():
        return Message(messages.APPLIED_WITHOUT_LORA, values)
    size = round(file.size / 1e6)
    return Message(messages.DOWNLOAD_OFFERED, {**values, "file": file.name, "size": size, "license": file.license})


def save(name: str, prompt: str, settings: dict[str, Any], is_img2img: bool) -> Outcome:
    """Saves the controls' values and the prompt's first TCD LoRA as a preset.

    Raises UserError if there is no name, it is that of a built-in preset, a value is invalid, or the file cannot be
    written.
    """
    name = (name or "").strip()
    if not name:
        raise UserError(messages.NO_PRESET_NAME)
    settings = {**settings, "steps": round(settings["steps"])}
    found = find_loras(prompt, get_strip())
    loras = [(lora, weight) for lora, weight in found if weight is not None and is_for_tcd(lora)]
    if loras:
        settings["lora"], settings["weight"] = loras[0]
    PRESETS.save(Preset(name, **settings))
    return Outcome(Message(messages.SAVED, {"preset": name}), names=list_names(is_img2img), name=name)


def delete(name: str, is_img2img: bool) -> Outcome:
    """Deletes one of the user's own presets. Raises UserError for built-in and unknown presets."""
    PRESETS.delete(name)
    names = list_names(is_img2img)
    return Outcome(Message(messages.DELETED, {"preset": name}), names=names, name=names[0])


def fetch(name: str) -> Iterator[Progress | Outcome]:
    """Downloads the preset's LoRA for the checkpoint's family and yields the progress, then the outcome.

    Raises UserError if there is no such preset, or if the download fails.
    """
    _, family = get_checkpoint()
    lora = PRESETS.find(name).lora or "TCD"
    file = CATALOGUE.find(lora, family)
    if file is None:
        yield Outcome(Message(messages.NOT_PUBLISHED, describe_lora(lora, family)))
        return
    for done in lora_files.download_lora(file):
        yield Progress(file, done)
    yield Outcome(Message(messages.DOWNLOADED, {"lora": file.name}))


def convert(prompt: str) -> Outcome:
    """Converts the prompt's first LoRA that the host cannot load, and replaces it in the prompt by the copy.

    Raises UserError if the conversion fails.
    """
    original = lora_files.find_unsupported(prompt)
    if original is None:
        return Outcome(can_convert=False)
    copy = lora_files.convert(original)
    strip = get_strip()
    weight = dict(find_loras(prompt, strip))[original]
    prompt = insert_lora(prompt, copy, 1 if weight is None else weight, {original}, strip)
    message = Message(messages.CONVERTED, {"lora": copy, "original": original})
    return Outcome(message, prompt=prompt, can_convert=lora_files.find_unsupported(prompt) is not None)
