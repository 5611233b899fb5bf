"""Says below a job's pictures, and in the API's info, what is likely wrong with its settings."""

from typing import Any

from ..advice import Active, Job, find_hints
from ..loras.catalogue import CATALOGUE
from ..loras.prompt import read_tag
from .compat import host
from .job import has_tcd_hires_pass, is_tcd
from .loras import choose_lora, describe, get_default_lora
from .names import DISTILLED_OPTION, HINTS_OPTION
from .said import say

DISTILLED = "tcd, lcm, turbo, lightning, dmd, hyper-sd, hyper-sdxl, hyper-4step, hyper-8step, distilled"
"""The setting's default: words of checkpoints' names."""


def say_hints(p: Any) -> None:
    """Once the host has settled which LoRAs a job has. They never change the job."""
    if host.get_option(HINTS_OPTION, True):
        for hint in find_hints(describe_job(p)):
            say(p, hint.template, **hint.values)


def describe_job(p: Any) -> Job:
    """The first pass that TCD samples."""
    hires = not is_tcd(p.sampler_name) and has_tcd_hires_pass(p)
    checkpoint, family = host.get_checkpoint(p)
    is_img2img = hasattr(p, "init_images")
    loras, unreadable = list_active(p, hires)
    return Job(
        steps=(p.hr_second_pass_steps or p.steps) if hires else p.steps,
        cfg_scale=host.get_hires_cfg_scale(p) if hires else p.cfg_scale,
        schedule=host.get_schedule(p, hires),
        checkpoint=checkpoint,
        family=family,
        is_distilled=is_distilled(checkpoint),
        loras=loras,
        gamma=p.tcd_gammas.hires if hires else p.tcd_gammas.first,
        find_tag=lambda: find_tag(family),
        strength=p.denoising_strength if is_img2img else None,
        fixes_steps=host.fixes_steps(),
        foreign=host.FOREIGN_FORMATS,
        unreadable=unreadable,
    )


def find_tag(family: str | None) -> str | None:
    lora = choose_lora("TCD", family, may_hash=False)
    return f"<lora:{lora.name}:1>" if lora else None


def list_active(p: Any, hires: bool) -> tuple[list[Active], list[str]]:
    """The LoRAs that a pass has, and what it names that the host cannot read; over any of that, it has none."""
    if p.disable_extra_networks:
        return [], []
    data = p.hr_extra_network_data if hires else p.extra_network_data
    tags = [(kind, tag.items) for kind in host.get_lora_tags() for tag in (data or {}).get(kind, [])]
    active, unreadable = [], []
    default = get_default_lora(p)
    if default and not isinstance(default[0], str):
        unreadable.append(f"The setting sd_lora, {default[0]!r},")
    elif default and not any(items[0] == default[0] for _, items in tags):
        tags.append(("lora", default))
    for kind, items in tags:
        try:
            active.append(read_tag(items))
        except ValueError:
            unreadable.append(f"<{kind}:{':'.join(map(str, items))}>")
    return [] if unreadable else [describe(*lora) for lora in active], unreadable


def is_distilled(checkpoint: str) -> bool:
    """Whether its name is that of a distillation, or has one of the setting's words."""
    return CATALOGUE.names_distillation(checkpoint, host.get_option(DISTILLED_OPTION, DISTILLED).split(","))
