"""Puts the sampler and the schedule into the host's lists, and takes them out again."""

import logging
from typing import Any

from modules import sd_samplers
from modules.sd_samplers_common import SamplerData

from .compat import schedules
from .names import ALIAS, NAME
from .sampler import TCDSampler, get_schedule

logger = logging.getLogger(__name__)

# uses_ensd: the step noise follows the host's seed delta, so infotexts have to say it
SAMPLER = SamplerData(NAME, TCDSampler, [ALIAS], {"scheduler": ALIAS, "uses_ensd": True})
SCHEDULE = schedules.make_schedule(ALIAS, NAME, get_schedule)

displaced: dict[str, list[Any]] = {"sampler": [], "schedule": []}
"""Other extensions' entries of the same name, kept to be put back."""


def register() -> None:
    """Makes ours the one sampler and schedule of the name, whoever came first. Does nothing where it is so."""
    if is_registered():
        return
    others = {
        "sampler": add_entry(sd_samplers.all_samplers, SAMPLER),
        "schedule": add_entry(schedules.get_schedules(), SCHEDULE),
    }
    sd_samplers.all_samplers_map.update({NAME: SAMPLER, ALIAS: SAMPLER})
    schedules.get_schedules_map().update({SCHEDULE.name: SCHEDULE, SCHEDULE.label: SCHEDULE})
    refresh()
    for kind, entries in others.items():
        displaced[kind] += entries
    kinds = " and ".join(kind for kind, entries in others.items() if entries)
    if kinds:
        logger.warning("TCD: another extension's %s \"%s\" is replaced by this extension's.", kinds, NAME)


def is_registered() -> bool:
    samplers, by_name = sd_samplers.all_samplers_map, schedules.get_schedules_map()
    return (
        [sampler for sampler in sd_samplers.all_samplers if sampler.name == NAME] == [SAMPLER]
        and [schedule for schedule in schedules.get_schedules() if schedule.name == SCHEDULE.name] == [SCHEDULE]
        and all(samplers.get(name) is SAMPLER for name in (NAME, ALIAS))
        and all(by_name.get(name) is SCHEDULE for name in (SCHEDULE.name, SCHEDULE.label))
    )


def unregister() -> None:
    """Leaves the host's lists as they would be without this extension."""
    remove_entry(sd_samplers.all_samplers, SAMPLER, displaced["sampler"])
    restore_names(sd_samplers.all_samplers_map, SAMPLER, {entry.name: entry for entry in displaced["sampler"]})
    remove_entry(schedules.get_schedules(), SCHEDULE, displaced["schedule"])
    names = {name: entry for entry in displaced["schedule"] for name in (entry.name, entry.label)}
    restore_names(schedules.get_schedules_map(), SCHEDULE, names)
    refresh()
    for entries in displaced.values():
        entries.clear()


def add_entry(entries: list[Any], ours: Any) -> list[Any]:
    """Appends our entry, and returns those of the same name that it takes the place of."""
    others = [entry for entry in entries if entry.name == ours.name and entry is not ours]
    entries[:] = [entry for entry in entries if entry.name != ours.name] + [ours]
    return others


def remove_entry(entries: list[Any], ours: Any, others: list[Any]) -> None:
    entries[:] = [entry for entry in entries if entry is not ours] + others


def restore_names(by_name: dict[str, Any], ours: Any, others: dict[str, Any]) -> None:
    for name in [name for name, entry in by_name.items() if entry is ours]:
        del by_name[name]
    by_name.update(others)


def refresh() -> None:
    """Has the host work out again what it derives from its lists."""
    sd_samplers.set_samplers()
    schedules.forget_resolved_names()
