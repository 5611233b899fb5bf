"""Says below a job's pictures, and in the API's info, what is likely wrong with its settings."""

from typing import Any

from modules import shared

from ..hints import Active, Job, find_hints
from ..prompt import parse_weight
from . import host
from .job import is_tcd
from .loras import describe, find_lora, get_default_lora
from .names import DISTILLED_OPTION, HINTS_OPTION
from .said import say

DISTILLED = "tcd, hyper, lcm, turbo, lightning, dmd, distill"
"""The setting's default: words of checkpoints' names."""


def say_hints(p: Any) -> None:
    """Once the host has settled which LoRAs a job has. They never change the job."""
    if host.get_option(HINTS_OPTION, True):
        for hint in find_hints(describe_job(p)):
            say(p, hint.template, **hint.values)


def describe_job(p: Any) -> Job:
    """The first pass that TCD samples."""
    hires = not is_tcd(p.sampler_name)
    checkpoint, family = host.get_checkpoint(p)
    is_img2img = hasattr(p, "init_images")
    return Job(
        steps=(p.hr_second_pass_steps or p.steps) if hires else p.steps,
        cfg_scale=host.get_hires_cfg_scale(p) if hires else p.cfg_scale,
        schedule=host.get_schedule(p, hires),
        checkpoint=checkpoint,
        family=family,
        is_distilled=is_distilled(checkpoint),
        loras=list_active(p, hires),
        gamma=p.tcd_gammas.hires if hires else p.tcd_gammas.first,
        find_tag=lambda: find_tag(family),
        strength=p.denoising_strength if is_img2img else None,
        fixes_steps=shared.opts.img2img_fix_steps,
        foreign=host.FOREIGN_FORMATS,
    )


def find_tag(family: str | None) -> str | None:
    lora = find_lora("TCD", family)
    return f"<lora:{lora.name}:1>" if lora else None


def list_active(p: Any, hires: bool) -> list[Active]:
    if p.disable_extra_networks:
        return []
    data = p.hr_extra_network_data if hires else p.extra_network_data
    tags = [tag.items for kind in host.get_lora_tags() for tag in (data or {}).get(kind, [])]
    active = [describe(name, parse_weight(":".join(arguments))) for name, *arguments in tags]
    default = get_default_lora(p)
    if default and default[0] not in {name for name, *_ in tags}:
        active.append(describe(*default))
    return active


def is_distilled(checkpoint: str) -> bool:
    """Whether its name has one of the setting's words."""
    words = host.get_option(DISTILLED_OPTION, DISTILLED).lower().split(",")
    return any(word.strip() in checkpoint.lower() for word in words if word.strip())
