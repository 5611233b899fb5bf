"""Schedules: a list to choose from (A1111 since 1.9), or one setting for all samplers.

"Automatic" is the sampler's default schedule in the list, and the model's own schedule in the setting.
"""

from collections.abc import Callable
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from modules import sd_samplers, sd_samplers_kdiffusion, shared

from .options import get_option

sd_schedulers: Any = None  # A1111 before 1.9, Forge Classic of early 2025

if find_spec("modules.sd_schedulers"):
    from modules import sd_schedulers  # type: ignore[no-redef]


SAME_SCHEDULE = "Use same scheduler"
"""The hires pass's choice that stands for the first pass's schedule."""

AUTOMATIC = "Automatic"
"""The choice that stands for the sampler's default schedule."""

SIMPLE = "Simple"
"""What Neo and ersatzForge take for the schedule of an infotext that names none."""


class UnlistedSchedule:
    """A schedule for hosts without a list. They call it without the model, so it reads the loaded checkpoint."""

    def __init__(self, label: str, function: Callable[..., Any]) -> None:
        self.name = self.label = label
        self.function = function

    def __call__(self, n: int, sigma_min: float, sigma_max: float, device: Any, **_: Any) -> Any:
        alphas_cumprod = shared.sd_model.alphas_cumprod
        model = SimpleNamespace(sigmas=((1 - alphas_cumprod) / alphas_cumprod) ** 0.5)
        return self.function(n, sigma_min, sigma_max, model, device)


unlisted: list[Any] = []
"""The list of schedules on hosts without one."""


def make_schedule(name: str, label: str, function: Callable[..., Any]) -> Any:
    """Returns an entry for the host's schedules. Its function receives the model, for the noise table."""
    if sd_schedulers is None:
        return UnlistedSchedule(label, function)
    return sd_schedulers.Scheduler(name, label, function, need_inner_model=True)


def get_schedules() -> list[Any]:
    """Returns the host's list of schedules. Change it in place, together with get_schedules_map()."""
    return unlisted if sd_schedulers is None else sd_schedulers.schedulers  # type: ignore[no-any-return]


def get_schedules_map() -> dict[str, Any]:
    """Returns the host's schedules by name and by label."""
    if sd_schedulers is None:
        return sd_samplers_kdiffusion.k_diffusion_scheduler  # type: ignore[no-any-return]
    return sd_schedulers.schedulers_map  # type: ignore[no-any-return]


def set_automatic_schedule(denoiser: Any, get_sigmas: Callable[[int], Any]) -> None:
    """Sets the denoiser's schedule for "Automatic". On hosts with a list, the sampler's options define it."""
    if sd_schedulers is None:
        denoiser.get_sigmas = get_sigmas


def find_unknown_schedule() -> str | None:
    """Returns the setting's schedule if the host does not know it, else None.

    Such a name comes from the infotext of another WebUI's image. The host would fail with it.
    """
    name = get_option("k_sched_type", AUTOMATIC)
    return None if sd_schedulers is not None or name in get_schedules_map() else name


def find_schedule(name: str) -> Any:
    """Returns the schedule with this name, label or alias, ignoring case, or None."""
    for entry in get_schedules():
        if name.lower() in {
            known.lower() for known in (entry.name, entry.label, *(getattr(entry, "aliases", None) or ()))
        }:
            return entry
    return None


def normalize_schedule_name(p: Any, hires: bool) -> str | None:
    """Replaces a pass's schedule by its label, since some hosts look schedules up by label only.

    Returns the name if the host does not know it, else None. The pass then uses its sampler's default schedule.
    """
    if sd_schedulers is None:
        return normalize_setting_name(p)
    field = "hr_scheduler" if hires else "scheduler"
    name = getattr(p, field, None)
    if hires and (not name or name.lower() == SAME_SCHEDULE.lower()):
        name = getattr(p, "scheduler", None)
    entry = find_schedule(name or AUTOMATIC)
    setattr(p, field, entry.label if entry else AUTOMATIC)
    return None if entry else name


def normalize_setting_name(p: Any) -> str | None:
    """Corrects the letter case of the schedule in a job's overrides, on hosts without a list. Returns None."""
    own = (p.override_settings or {}).get("k_sched_type")
    if not isinstance(own, str):
        return None
    known = {name.lower(): name for name in get_schedules_map()}
    p.override_settings["k_sched_type"] = known.get(own.lower(), own)
    return None


def keep_automatic_schedule(infotext: str, params: dict[str, Any], sampler: str, label: str) -> None:
    """Makes "Automatic" what is pasted of a sampler's default schedule, where a host would paste something else.

    Otherwise the schedule would stay in effect for other samplers: on hosts without a list it is a setting, and
    ersatzForge, a fork of Forge, selects it in the list.
    """
    if params.get("Sampler") != sampler:
        return
    pasted = params.get("Schedule type")
    if pasted == label or (pasted == SIMPLE and "Schedule type: " not in infotext):
        params["Schedule type"] = AUTOMATIC


def update_derived_names() -> None:
    """Makes hosts with a list update what they derive from it.

    Most cache the sampler and schedule for each pair of names. ersatzForge, a fork of Forge, keeps a map for pasted
    infotexts.
    """
    if hasattr(sd_samplers, "get_sampler_and_scheduler"):
        sd_samplers.get_sampler_and_scheduler.cache_clear()
    if hasattr(sd_schedulers, "set_schedulers_aliases"):
        sd_schedulers.set_schedulers_aliases()


def get_schedule(p: Any, hires: bool) -> str:
    """Returns the schedule type of one of a job's passes, as the page shows it."""
    if sd_schedulers is None:
        return str(get_option("k_sched_type", AUTOMATIC))
    own = getattr(p, "scheduler", None) or AUTOMATIC
    name = getattr(p, "hr_scheduler", None) or SAME_SCHEDULE if hires else own
    name = own if name == SAME_SCHEDULE else name
    entry = get_schedules_map().get(name)
    return name if entry is None else str(entry.label)
