"""Applies the preset that a job names to the fields that its request does not set."""

from typing import Any

from modules import shared

from .. import messages
from ..errors import UserError
from ..loras.prompt import find_loras, insert_lora
from ..messages import Message
from ..presets import AUTOMATIC, Preset, Presets
from .compat import comments, files, jobs
from .loras import choose_lora, explain_missing, get_default_lora, is_for_tcd
from .notify import notify

PRESETS = Presets(files.DATA / "tcd-presets.json")


def apply_preset(p: Any, name: Any) -> float | None:
    """Applies a preset to a job and returns the preset's gamma, or None.

    Raises UserError for an unknown preset, an unknown sampler, or an img2img preset in a txt2img job.
    """
    if not name:
        return None
    preset = PRESETS.find(name, jobs.is_img2img(p))
    set_fields(p, preset, jobs.find_request())
    add_lora(p, preset)
    return preset.gamma


def set_fields(p: Any, preset: Preset, request: Any) -> None:
    """Sets the preset's fields, except those that the request sets or a script such as the X/Y/Z plot has changed.

    Notifies the user if the request sets all of them, as clients that always send every field do.
    """
    sent = jobs.get_sent_fields(request) if request else set()
    kept = sent & {"sampler_name", "sampler_index"}
    if has_defaults(p, request):
        if not kept:
            check_sampler(preset)
            p.sampler_name = preset.sampler
        if "scheduler" not in sent and p.sampler_name.lower() == preset.sampler.lower():
            p.scheduler = preset.schedule
    named = [field for field in ("steps", "cfg_scale", "denoising_strength") if getattr(preset, field) is not None]
    for field in named:
        if request is None or (field not in sent and getattr(p, field) in (None, getattr(request, field))):
            value = getattr(preset, field)
            setattr(p, field, value if field == "steps" else float(value))  # the types that a request has
    if kept and sent.issuperset(named) and differs(p, preset, named):
        fields = ", ".join(sorted(kept | {*named}))
        notify(p, Message(messages.PRESET_NOT_USED, {"preset": preset.name, "fields": fields}))


def differs(p: Any, preset: Preset, named: list[str]) -> bool:
    """Whether a job's sampler or named fields differ from the preset's."""
    return p.sampler_name.lower() != preset.sampler.lower() or any(
        getattr(p, field) != getattr(preset, field) for field in named
    )


def has_defaults(p: Any, request: Any) -> bool:
    """Whether a job still has the request's sampler and schedule type, or comes from the page."""
    if request is None:
        return True
    samplers = {jobs.get_request_field(request, field) for field in ("sampler_name", "sampler_index")}
    schedules = {None, "", AUTOMATIC, jobs.get_request_field(request, "scheduler")}
    return p.sampler_name in samplers and jobs.get_schedule_name(p) in schedules


def check_sampler(preset: Preset) -> None:
    """Raises UserError if a preset's sampler is not installed. The host would silently use another sampler."""
    if not jobs.has_sampler(preset.sampler):
        raise UserError(messages.NO_SAMPLER, preset=repr(preset.name), sampler=repr(preset.sampler))


def add_lora(p: Any, preset: Preset) -> None:
    """Adds the preset's LoRA to each of the job's prompts that has no LoRA for TCD yet."""
    if preset.lora is None:
        return
    _, family = files.get_checkpoint(p)
    lora = choose_lora(preset.lora, family)
    if lora is None:
        reason = explain_missing(preset.lora, family)
        notify(p, Message(messages.WITHOUT_LORA, {"preset": preset.name, "reason": reason}))
        return
    default = get_default_lora(p)
    if default and isinstance(default[0], str) and (default[0] == lora.name or is_for_tcd(default[0])):
        return
    p.prompt = add_to_prompt(p, p.prompt, lora.name, preset.weight)
    hires_prompt = jobs.get_hires_prompt(p)
    if hires_prompt:
        p.hr_prompt = add_to_prompt(p, hires_prompt, lora.name, preset.weight)


def add_to_prompt(p: Any, prompt: Any, name: str, weight: float) -> Any:
    """Returns a prompt, or a list of prompts, with the LoRA added.

    Unchanged if the prompt, with the job's styles, already has this LoRA or another one for TCD.
    """
    if isinstance(prompt, list):
        return [add_to_prompt(p, one, name, weight) for one in prompt]
    strip = comments.get_strip(p)
    whole = shared.prompt_styles.apply_styles_to_prompt(prompt, p.styles or [])
    if any(found == name or is_for_tcd(found) for found, _ in find_loras(whole, strip)):
        return prompt
    return insert_lora(prompt, name, weight, strip=strip)
