"""Schedules: a list to choose from (A1111 since 1.9), or a setting for all samplers.

The setting's value "Automatic" is the model's own schedule.
"""

from collections.abc import Callable
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from modules import sd_samplers, sd_samplers_kdiffusion, shared

from .options import get_option

sd_schedulers = None  # A1111 before 1.9, Forge Classic of early 2025


if find_spec("modules.sd_schedulers"):
    from modules import sd_schedulers  # type: ignore[no-redef]


SAME_SCHEDULE = "Use same scheduler"


AUTOMATIC = "Automatic"
"""The schedule that is a sampler's own."""


class UnlistedSchedule:
    """A value of that setting, which is called without the model."""

    def __init__(self, label: str, function: Callable[..., Any]) -> None:
        self.name = self.label = label
        self.function = function

    def __call__(self, n: int, sigma_min: float, sigma_max: float, device: Any, **_: Any) -> Any:
        alphas_cumprod = shared.sd_model.alphas_cumprod
        model = SimpleNamespace(sigmas=((1 - alphas_cumprod) / alphas_cumprod) ** 0.5)
        return self.function(n, sigma_min, sigma_max, model, device)


unlisted: list[Any] = []


def make_schedule(name: str, label: str, function: Callable[..., Any]) -> Any:
    """An entry for the host's schedules, whose function is called with the model, for its noise table."""
    if sd_schedulers is None:
        return UnlistedSchedule(label, function)
    return sd_schedulers.Scheduler(name, label, function, need_inner_model=True)


def get_schedules() -> list[Any]:
    """The host's list of schedules, to be changed in place together with get_schedules_map()."""
    return unlisted if sd_schedulers is None else sd_schedulers.schedulers  # type: ignore[no-any-return]


def get_schedules_map() -> dict[str, Any]:
    """The host's schedules by name and by label."""
    if sd_schedulers is None:
        return sd_samplers_kdiffusion.k_diffusion_scheduler  # type: ignore[no-any-return]
    return sd_schedulers.schedulers_map  # type: ignore[no-any-return]


def set_automatic_schedule(denoiser: Any, get_sigmas: Callable[[int], Any]) -> None:
    """Makes a schedule the one that "Automatic" means for this denoiser; with a list, the sampler's options say so."""
    if sd_schedulers is None:
        denoiser.get_sigmas = get_sigmas


def find_unknown_schedule() -> str | None:
    """A schedule that an image of another WebUI asks for by infotext, and that this one would stumble over."""
    name = get_option("k_sched_type", AUTOMATIC)
    return None if sd_schedulers is not None or name in get_schedules_map() else name


def find_schedule(name: str) -> Any:
    """The entry that a name or label means, in any case and by its aliases; None if there is none."""
    for entry in get_schedules():
        if name.lower() in {
            known.lower() for known in (entry.name, entry.label, *(getattr(entry, "aliases", None) or ()))
        }:
            return entry
    return None


def use_schedule_name(p: Any, hires: bool) -> str | None:
    """Has a pass name its schedule as the host looks it up: some know labels alone, some names and labels.

    Returns a name that the host does not know; the pass then has its sampler's own schedule.
    """
    if sd_schedulers is None:
        return use_setting_name(p)
    field = "hr_scheduler" if hires else "scheduler"
    name = getattr(p, field, None)
    if hires and (not name or name.lower() == SAME_SCHEDULE.lower()):
        name = getattr(p, "scheduler", None)
    entry = find_schedule(name or AUTOMATIC)
    setattr(p, field, entry.label if entry else AUTOMATIC)
    return None if entry else name


def use_setting_name(p: Any) -> str | None:
    """The same, of a job's own value of the setting."""
    own = (p.override_settings or {}).get("k_sched_type")
    if not isinstance(own, str):
        return None
    known = {name.lower(): name for name in get_schedules_map()}
    p.override_settings["k_sched_type"] = known.get(own.lower(), own)
    return None


def drop_automatic_schedule(params: dict[str, Any], sampler: str, label: str) -> None:
    """Pasted, a sampler's own schedule is Automatic, and not a setting that would stay in force for other samplers."""
    if sd_schedulers is None and (params.get("Sampler"), params.get("Schedule type")) == (sampler, label):
        params["Schedule type"] = AUTOMATIC


def forget_resolved_names() -> None:
    """Hosts with a list of schedules cache which sampler and schedule a pair of names means."""
    if hasattr(sd_samplers, "get_sampler_and_scheduler"):
        sd_samplers.get_sampler_and_scheduler.cache_clear()


def get_schedule(p: Any, hires: bool) -> str:
    """The schedule type of one of a job's passes, as the page says it."""
    if sd_schedulers is None:
        return str(get_option("k_sched_type", AUTOMATIC))
    own = getattr(p, "scheduler", None) or AUTOMATIC
    name = getattr(p, "hr_scheduler", None) or SAME_SCHEDULE if hires else own
    name = own if name == SAME_SCHEDULE else name
    entry = get_schedules_map().get(name)
    return name if entry is None else str(entry.label)
