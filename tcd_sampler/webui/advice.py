"""Shows warnings about a job's settings below its images and in the API's info."""

import re
from typing import Any

from .. import messages
from ..advice import DISTILLED, ActiveLoRA, Job, find_warnings
from ..loras.catalogue import CATALOGUE
from ..loras.prompt import read_tag
from ..messages import Message
from .compat import files, jobs, networks, options, schedules
from .job import has_tcd_hires_pass, is_tcd
from .loras import choose_lora, describe, get_default_lora
from .names import DISTILLED_OPTION, WARNINGS_OPTION
from .notify import notify
from .state import get_state


def show_warnings(p: Any) -> None:
    """Shows the warnings for a job, which never change it. The host must have parsed the job's LoRAs already."""
    if options.get_option(WARNINGS_OPTION, True):
        for warning in find_warnings(describe_job(p)):
            notify(p, warning)


def describe_job(p: Any) -> Job:
    """Returns the settings of the first pass that uses TCD."""
    hires = not is_tcd(p.sampler_name) and has_tcd_hires_pass(p)
    checkpoint, family = files.get_checkpoint(p)
    is_img2img = jobs.is_img2img(p)
    loras, unreadable = list_active(p, hires)
    gammas = get_state(p).gammas
    assert gammas is not None  # always set for jobs that use TCD
    return Job(
        steps=(p.hr_second_pass_steps or p.steps) if hires else p.steps,
        cfg_scale=jobs.get_hires_cfg_scale(p) if hires else p.cfg_scale,
        schedule=schedules.get_schedule(p, hires),
        checkpoint=checkpoint,
        family=family,
        is_distilled=is_distilled(checkpoint),
        loras=loras,
        gamma=gammas.hires if hires else gammas.first,
        find_tag=lambda: find_tag(family),
        strength=p.denoising_strength if is_img2img else None,
        fixes_steps=options.fixes_steps(),
        unsupported_formats=networks.UNSUPPORTED_FORMATS,
        unreadable=unreadable,
    )


def find_tag(family: str | None) -> str | None:
    """Returns the prompt tag of an installed TCD LoRA for a base family, or None."""
    lora = choose_lora("TCD", family, may_hash=False)
    return f"<lora:{lora.name}:1>" if lora else None


def list_active(p: Any, hires: bool) -> tuple[list[ActiveLoRA], list[Message]]:
    """Returns the LoRAs of a pass, and messages about the tags and settings that the host cannot read.

    If there are any of the latter, the host applies no LoRA at all, so the first list is empty.
    """
    if p.disable_extra_networks:
        return [], []
    data = p.hr_extra_network_data if hires else p.extra_network_data
    tags = [(kind, tag.items) for kind in networks.get_lora_tags() for tag in (data or {}).get(kind, [])]
    active, unreadable = [], []
    default = get_default_lora(p)
    if default and not isinstance(default[0], str):
        unreadable.append(Message(messages.UNREADABLE_SETTING, {"field": "sd_lora", "value": repr(default[0])}))
    elif default and not any(items[0] == default[0] for _, items in tags):
        tags.append(("lora", default))
    for kind, items in tags:
        try:
            active.append(read_tag(items))
        except ValueError:
            unreadable.append(Message(messages.UNREADABLE, {"tag": f"<{kind}:{':'.join(map(str, items))}>"}))
    return [] if unreadable else [describe(*lora) for lora in active], unreadable


def is_distilled(checkpoint: str) -> bool:
    """Whether a checkpoint's name contains a distillation method or one of the setting's words."""
    return CATALOGUE.names_distillation(checkpoint, re.split("[,，]", options.get_option(DISTILLED_OPTION, DISTILLED)))
