"""Settings: how a host keeps them, and those of its own that not all have."""

from typing import Any

from modules import shared


def get_option(key: str, default: Any) -> Any:
    """A setting's value in force, or the default where there is no such setting (yet)."""
    return getattr(shared.opts, key, default)


def get_setting(p: Any, key: str, default: Any) -> Any:
    """The value that a job will run with: its override, which is not in force before it starts, or the setting's."""
    return (getattr(p, "override_settings", None) or {}).get(key, get_option(key, default))


def add_option(key: str, info: Any) -> None:
    """Adds a setting with its default. A1111 1.6 adds no value, and then fails over requests that override it."""
    shared.opts.add_option(key, info)
    shared.opts.data.setdefault(key, info.default)


def remove_option(key: str) -> None:
    """Takes a setting out. Its value stays in the user's settings, for when the extension is there again."""
    shared.opts.data_labels.pop(key, None)


def strips_comments(p: Any = None) -> bool:
    """Whether what stands behind a # in prompts is taken out (A1111 since 1.8)."""
    return bool(get_setting(p, "enable_prompt_comments", False))


def fixes_steps() -> bool:
    """Whether img2img runs all the steps that are asked for; a host without the setting does."""
    return bool(get_option("img2img_fix_steps", True))
