"""LoRAs in prompts, as the WebUIs write them: <lora:name:weight>."""

import re
from collections.abc import Collection

TAG = re.compile(r"<(?:lora|lyco):([^:>]+)(?::([^>]*))?>")


def find_loras(prompt: str) -> list[tuple[str, float]]:
    """Their names, and the weights that the UNet gets them with: <lora:name:both>, <lora:name:text:unet>, unet=."""
    return [(name.strip(), parse_weight(arguments or "")) for name, arguments in TAG.findall(prompt)]


def parse_weight(arguments: str) -> float:
    values = [value.strip() for value in arguments.split(":")]
    positional = [value for value in values if "=" not in value][:2]
    named = dict(value.split("=", 1) for value in values if "=" in value)
    weight = named.get("unet", positional[-1] if positional and positional[-1] else 1)
    try:
        return float(weight)
    except ValueError:
        return 1.0  # what the host makes of it, it says itself


def is_usable(name: str) -> bool:
    """Whether a file's name can stand in a tag."""
    return not re.search(r"[:<>]", name)


def put_lora(prompt: str, name: str, weight: float, instead_of: Collection[str] = ()) -> str:
    """The prompt with a LoRA in it once: where it is already, else in the place of another, else at the end."""
    tag = f"<lora:{name}:{weight:g}>"
    names = [found for found, _ in find_loras(prompt)]
    first = next((i for i, found in enumerate(names) if found == name), None)
    if first is None:
        first = next((i for i, found in enumerate(names) if found in instead_of), None)
    if first is None:
        return f"{prompt} {tag}" if prompt.strip() else tag
    numbers = iter(range(len(names)))

    def replace(match: re.Match[str]) -> str:
        if next(numbers) == first:
            return tag
        return "" if match[1].strip() in {name, *instead_of} else match[0]

    return TAG.sub(replace, prompt)
