"""What differs between WebUIs, and between versions of them; the rest of this package asks here."""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import gradio
from modules import scripts, sd_samplers, sd_schedulers, shared

SAME_SAMPLER = "Use same sampler"
"""What the hires sampler's dropdown says where it has no sampler of its own."""


def get_option(key: str, default: Any) -> Any:
    """A setting's value in force, or the default before the settings page knows of it."""
    return getattr(shared.opts, key, default)


def forget_resolved_names() -> None:
    """The host caches which sampler and schedule a pair of names means."""
    sd_samplers.get_sampler_and_scheduler.cache_clear()


def get_schedules() -> list[Any]:
    """The host's list of schedules, to be changed in place together with get_schedules_map()."""
    return sd_schedulers.schedulers  # type: ignore[no-any-return]


def get_schedules_map() -> dict[str, Any]:
    """The host's schedules by name and by label."""
    return sd_schedulers.schedulers_map  # type: ignore[no-any-return]


def make_schedule(name: str, label: str, function: Callable[..., Any]) -> Any:
    """An entry of that list, whose function is called with the model, for its noise table."""
    return sd_schedulers.Scheduler(name, label, function, need_inner_model=True)


def find_xyz_grid() -> ModuleType | None:
    """The X/Y/Z plot's module, loaded from a file as every script is."""
    for script in scripts.scripts_data:
        if os.path.basename(script.path) == "xyz_grid.py":
            return script.module  # type: ignore[no-any-return]
    return None


def get_txt2img_option(grid: ModuleType) -> Any:
    """The plot's kind of axis for what img2img has not."""
    return grid.AxisOptionTxt2Img


def on_page_load(fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    """Calls fn whenever a browser opens the page that is being built."""
    gradio.context.Context.root_block.load(fn, inputs=inputs, outputs=outputs, show_progress=False, queue=False)
