"""Jobs: their passes and fields, the API request that they come from, and the job that they run inside."""

import sys
from types import FrameType
from typing import Any

from modules import processing, sd_samplers

SAME_SAMPLER = "Use same sampler"
SAME_CHECKPOINT = "Use same checkpoint"
"""Choices in the hires pass's dropdowns that stand for the first pass's sampler and checkpoint."""


def find_request() -> Any:
    """Returns the API request that the current job was made from, or None for a job from the page.

    Searches the call stack, because the host's jobs do not refer to their request.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        for name in ("txt2imgreq", "img2imgreq"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    return None


def find_outer_job(p: Any) -> Any:
    """Returns the job inside which an extension runs this job, as ADetailer does for each face, or None."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "process_images_inner" and frame.f_locals.get("p", p) is not p:
            return frame.f_locals["p"]
        frame = frame.f_back
    return None


def get_sent_fields(request: Any) -> set[str]:
    """Returns the names of the fields that a request, or its infotext, sets to a value other than null."""
    sent = request.model_fields_set if hasattr(request, "model_fields_set") else request.__fields_set__
    return {field for field in sent if getattr(request, field, None) is not None}


KEEPS_CALLABLES = "callable" not in processing.create_infotext.__code__.co_names
"""Whether infotexts contain callable values as they are (A1111 before 1.9). Other hosts write what they return."""


def has_sampler(name: str) -> bool:
    """Whether the host has a sampler of this name or alias."""
    return sd_samplers.find_sampler_config(name) is not None


def get_hires_cfg_scale(p: Any) -> float:
    """Returns the hires pass's CFG scale. It differs from the first pass's only if set, in Forge and its forks."""
    return float(getattr(p, "hr_cfg", None) or getattr(p, "hr_cfg_scale", None) or p.cfg_scale)


def is_img2img(p: Any) -> bool:
    return hasattr(p, "init_images")


def has_hires_pass(p: Any) -> bool:
    return bool(getattr(p, "enable_hr", False))


def get_hires_sampler(p: Any) -> str | None:
    """Returns the name of the hires pass's own sampler, or None if it uses the first pass's."""
    name: str | None = getattr(p, "hr_sampler_name", None)
    return None if name is None or name.lower() == SAME_SAMPLER.lower() else name


def set_hires_sampler(p: Any, name: str | None) -> None:
    if hasattr(p, "hr_sampler_name"):
        p.hr_sampler_name = name


def has_own_hires_checkpoint(p: Any) -> bool:
    return getattr(p, "hr_checkpoint_name", None) not in (None, "", SAME_CHECKPOINT)


def get_hires_prompt(p: Any) -> Any:
    """Returns the hires pass's own prompt or list of prompts, or None if it uses the first pass's."""
    return getattr(p, "hr_prompt", None) or None


def get_schedule_name(p: Any) -> str | None:
    """Returns the job's schedule type, or None on hosts without a list of schedules."""
    return getattr(p, "scheduler", None)


def get_request_field(request: Any, field: str) -> Any:
    return getattr(request, field, None)


def get_generator(p: Any) -> Any:
    """Returns the generator of the job's initial noise. ControlNet may have wrapped it."""
    return getattr(p.rng, "rng", p.rng)
