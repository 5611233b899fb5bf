"""Jobs: which passes and fields they have, who asked for them, and what they are run inside."""

import sys
from types import FrameType
from typing import Any

from modules import processing, sd_samplers

SAME_SAMPLER = "Use same sampler"


SAME_CHECKPOINT = "Use same checkpoint"
"""What the hires pass's dropdowns say where it has no sampler, schedule or checkpoint of its own."""


def find_request() -> Any:
    """The API's request that the calling job is made of, or None for one of the page's."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        for name in ("txt2imgreq", "img2imgreq"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    return None


def find_outer_job(p: Any) -> Any:
    """The job that another extension runs a job inside, as ADetailer does for each face; None where there is none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "process_images_inner" and frame.f_locals.get("p", p) is not p:
            return frame.f_locals["p"]
        frame = frame.f_back
    return None


def get_sent_fields(request: Any) -> set[str]:
    """Those that a request brings itself, or by its infotext; the others, and those sent as null, are defaults."""
    sent = request.model_fields_set if hasattr(request, "model_fields_set") else request.__fields_set__
    return {field for field in sent if getattr(request, field, None) is not None}


KEEPS_CALLABLES = "callable" not in processing.create_infotext.__code__.co_names
"""Whether an infotext would show what can be called (A1111 before 1.9); others call it, and show what it returns."""


def has_sampler(name: str) -> bool:
    return sd_samplers.find_sampler_config(name) is not None


def get_hires_cfg_scale(p: Any) -> float:
    """Forge and its forks have one of its own; where it is unset or 0, it is the first pass's."""
    return float(getattr(p, "hr_cfg", None) or getattr(p, "hr_cfg_scale", None) or p.cfg_scale)


def is_img2img(p: Any) -> bool:
    return hasattr(p, "init_images")


def has_hires_pass(p: Any) -> bool:
    return bool(getattr(p, "enable_hr", False))


def get_hires_sampler(p: Any) -> str | None:
    """The name of the hires pass's own sampler; None where it is the first pass's."""
    name: str | None = getattr(p, "hr_sampler_name", None)
    return None if name is None or name.lower() == SAME_SAMPLER.lower() else name


def set_hires_sampler(p: Any, name: str | None) -> None:
    if hasattr(p, "hr_sampler_name"):
        p.hr_sampler_name = name


def has_own_hires_checkpoint(p: Any) -> bool:
    return getattr(p, "hr_checkpoint_name", None) not in (None, "", SAME_CHECKPOINT)


def get_hires_prompt(p: Any) -> Any:
    """The hires pass's own prompt, or list of them; None where it is the first pass's."""
    return getattr(p, "hr_prompt", None) or None


def get_schedule_name(p: Any) -> str | None:
    """What the job's field says; None without a list of schedules."""
    return getattr(p, "scheduler", None)


def get_request_field(request: Any, field: str) -> Any:
    return getattr(request, field, None)


def get_generator(p: Any) -> Any:
    """The generator of the job's start, which ControlNet may have wrapped."""
    return getattr(p.rng, "rng", p.rng)
