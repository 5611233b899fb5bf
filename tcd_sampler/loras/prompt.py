"""LoRA tags in prompts, <lora:name:weight>, parsed as the WebUIs parse them."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

TAG = re.compile(r"<(?:lora|lyco):([^>]+)>")
MARK = "\ue000"
"""A private character: it marks a position in a prompt."""

Strip = Callable[[str], str]
"""Removes the comments of a prompt, as the host does."""


def keep(prompt: str) -> str:
    """Removes nothing, as hosts without comments do."""
    return prompt


def read_tag(items: Sequence[Any]) -> tuple[str, float]:
    """Returns a tag's LoRA name and UNet weight. items are the parts of the tag that follow "lora:".

    The UNet weight defaults to the text encoder's: <lora:name:te:unet:dyn>, <lora:name:te=0:unet=1>.
    Raises ValueError for tags that the WebUIs cannot read; they then apply none of the prompt's LoRAs.
    """
    named = dict(pair for item in items if len(pair := str(item).split("=", 2)) == 2)
    positional = [str(item) for item in items if len(str(item).split("=", 2)) != 2]
    if not positional:
        raise ValueError("the tag names no LoRA")
    name, *numbers = positional
    text_encoder = float(named.get("te", numbers[0] if numbers else 1))
    if numbers:
        float(numbers[0])
    unet = float(numbers[1]) if len(numbers) > 1 else text_encoder
    for dyn in [*numbers[2:3], *(value for key, value in named.items() if key == "dyn")]:
        int(dyn)
    return name, float(named.get("unet", unet))


def find_loras(prompt: str, strip: Strip = keep) -> list[tuple[str, float | None]]:
    """Returns the names and UNet weights of a prompt's LoRAs. Weights that cannot be read are None."""
    return [read_tag_or_name(tag[1].split(":")) for tag in TAG.finditer(strip(prompt))]


def read_tag_or_name(items: list[str]) -> tuple[str, float | None]:
    """Returns a tag's LoRA name and UNet weight, or its first part and None if the tag cannot be read."""
    try:
        return read_tag(items)
    except ValueError:
        return items[0], None


def is_usable(name: str, strip: Strip = keep) -> bool:
    """Whether a tag can name a LoRA file of this name."""
    return not re.search(r"[:>]", name) and strip(name) == name and len(name.split("=", 2)) != 2


def find_tags(prompt: str, strip: Strip) -> Iterator[re.Match[str]]:
    """Yields the matches of LoRA tags outside comments."""
    tag = TAG.search(prompt)
    while tag is not None:
        is_read = is_outside(prompt, tag.start(), strip) and is_outside(prompt, tag.end() - 1, strip)
        if is_read:
            yield tag
        tag = TAG.search(prompt, tag.end() if is_read else tag.start() + 1)


def is_outside(prompt: str, position: int, strip: Strip) -> bool:
    """Whether text inserted at a position would stay, and the comments would remain what they are."""
    prompt = prompt.replace(MARK, " ")
    marked = strip(prompt[:position] + MARK + prompt[position:])
    return MARK in marked and marked.replace(MARK, "") == strip(prompt)


def insert_lora(prompt: str, name: str, weight: float, instead_of: Collection[str] = (), strip: Strip = keep) -> str:
    """Returns the prompt with exactly one tag for a LoRA.

    The tag replaces the LoRA's own first tag, else the first tag of a LoRA in instead_of, else it is appended. All
    other tags of these LoRAs are removed.
    """
    tag = f"<lora:{name}:{weight:g}>"
    tags = list(find_tags(prompt, strip))
    names = [read_tag_or_name(found[1].split(":"))[0] for found in tags]
    first = next((i for i, found in enumerate(names) if found == name), None)
    if first is None:
        first = next((i for i, found in enumerate(names) if found in instead_of), None)
    if first is None:
        return append(prompt, tag, strip)
    for i in reversed(range(len(tags))):
        if i == first or names[i] in {name, *instead_of}:
            prompt = prompt[: tags[i].start()] + (tag if i == first else "") + prompt[tags[i].end() :]
    return prompt


def append(prompt: str, tag: str, strip: Strip) -> str:
    """Returns the prompt with a tag appended.

    If it ends in a comment, the tag goes on a line before it: hosts append styles to a prompt, which then stay in that
    comment.
    """
    if not prompt.strip():
        return tag
    return f"{prompt} {tag}" if is_outside(prompt, len(prompt), strip) else f"{tag}\n{prompt}"
