"""LoRA tags in prompts, <lora:name:weight>, parsed as the WebUIs parse them."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

TAG = re.compile(r"<(?:lora|lyco):([^>]+)>")
COMMENT = re.compile(r"#[^\n]*")


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


def find_tags(prompt: str, has_comments: bool = False) -> Iterator[re.Match[str]]:
    """Yields the matches of LoRA tags. With has_comments, text from # to the end of the line is ignored."""
    return TAG.finditer(blank_comments(prompt) if has_comments else prompt)


def blank_comments(prompt: str) -> str:
    """Returns the prompt with its comments replaced by as many spaces."""
    return COMMENT.sub(lambda comment: " " * len(comment[0]), prompt)


def find_loras(prompt: str, has_comments: bool = False) -> list[tuple[str, float | None]]:
    """Returns the names and UNet weights of a prompt's LoRAs. Weights that cannot be read are None."""
    return [read_tag_or_name(tag[1].split(":")) for tag in find_tags(prompt, has_comments)]


def read_tag_or_name(items: list[str]) -> tuple[str, float | None]:
    """Returns a tag's LoRA name and UNet weight, or its first part and None if the tag cannot be read."""
    try:
        return read_tag(items)
    except ValueError:
        return items[0], None


def is_usable(name: str, has_comments: bool = False) -> bool:
    """Whether a tag can name a LoRA file of this name."""
    return not re.search(r"[:>#]" if has_comments else r"[:>]", name) and len(name.split("=", 2)) != 2


def insert_lora(
    prompt: str, name: str, weight: float, instead_of: Collection[str] = (), has_comments: bool = False
) -> str:
    """Returns the prompt with exactly one tag for a LoRA.

    The tag replaces the LoRA's own first tag, else the first tag of a LoRA in instead_of, else it is appended. All
    other tags of these LoRAs are removed.
    """
    tag = f"<lora:{name}:{weight:g}>"
    tags = list(find_tags(prompt, has_comments))
    names = [read_tag_or_name(found[1].split(":"))[0] for found in tags]
    first = next((i for i, found in enumerate(names) if found == name), None)
    if first is None:
        first = next((i for i, found in enumerate(names) if found in instead_of), None)
    if first is None:
        return append(prompt, tag, has_comments)
    for i in reversed(range(len(tags))):
        if i == first or names[i] in {name, *instead_of}:
            prompt = prompt[: tags[i].start()] + (tag if i == first else "") + prompt[tags[i].end() :]
    return prompt


def append(prompt: str, tag: str, has_comments: bool) -> str:
    """Returns the prompt with a tag appended, before a comment in the last line."""
    comment = COMMENT.search(prompt, prompt.rfind("\n") + 1) if has_comments else None
    if comment is None:
        return f"{prompt} {tag}" if prompt.strip() else tag
    text = prompt[: comment.start()].rstrip(" ")
    space = " " if text and not text.endswith("\n") else ""
    return f"{text}{space}{tag} {comment[0]}"
