"""Settings: how hosts store them, and settings that only some hosts have."""

from typing import Any

from modules import shared


def get_option(key: str, default: Any) -> Any:
    """Returns a setting's current value, or the default if the host has no such setting (yet)."""
    return getattr(shared.opts, key, default)


def get_setting(p: Any, key: str, default: Any) -> Any:
    """Returns a setting's value for a job: the job's override, which takes effect at its start, or the setting's."""
    return (getattr(p, "override_settings", None) or {}).get(key, get_option(key, default))


def add_option(key: str, info: Any) -> None:
    """Adds a setting with its default value. A1111 1.6 adds no value, and then fails if a request overrides it."""
    shared.opts.add_option(key, info)
    shared.opts.data.setdefault(key, info.default)


def remove_option(key: str) -> None:
    """Removes a setting. The user's settings keep its value for when the extension is enabled again."""
    shared.opts.data_labels.pop(key, None)


def fixes_steps() -> bool:
    """Whether img2img runs all requested steps. Hosts without the setting always do."""
    return bool(get_option("img2img_fix_steps", True))
