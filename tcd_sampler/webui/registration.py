"""Registers the sampler and the schedule in the host's lists, and removes them."""

import logging
from typing import Any

from modules import sd_samplers
from modules.sd_samplers_common import SamplerData

from .compat import schedules
from .names import ALIAS, NAME
from .sampler import TCDSampler, get_schedule

logger = logging.getLogger(__name__)

# uses_ensd: step noise depends on the host's seed delta, so infotexts must contain it
SAMPLER = SamplerData(NAME, TCDSampler, [ALIAS], {"scheduler": ALIAS, "uses_ensd": True})
SCHEDULE = schedules.make_schedule(ALIAS, NAME, get_schedule)

replaced: dict[str, list[Any]] = {"sampler": [], "schedule": []}
"""Other extensions' entries of the same name. unregister() restores them."""


def register() -> None:
    """Registers our sampler and schedule in place of any others of the same name, unless they already are."""
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
        replaced[kind] += entries
    kinds = " and ".join(kind for kind, entries in others.items() if entries)
    if kinds:
        logger.warning("TCD: replaced another extension's %s \"%s\" with this extension's.", kinds, NAME)


def is_registered() -> bool:
    """Whether our sampler and schedule are the only ones of their names in the host's lists and mappings."""
    samplers, by_name = sd_samplers.all_samplers_map, schedules.get_schedules_map()
    return (
        [sampler for sampler in sd_samplers.all_samplers if sampler.name == NAME] == [SAMPLER]
        and [schedule for schedule in schedules.get_schedules() if schedule.name == SCHEDULE.name] == [SCHEDULE]
        and all(samplers.get(name) is SAMPLER for name in (NAME, ALIAS))
        and all(by_name.get(name) is SCHEDULE for name in (SCHEDULE.name, SCHEDULE.label))
    )


def unregister() -> None:
    """Removes our sampler and schedule, and restores the entries that they replaced."""
    remove_entry(sd_samplers.all_samplers, SAMPLER, replaced["sampler"])
    restore_names(sd_samplers.all_samplers_map, SAMPLER, {entry.name: entry for entry in replaced["sampler"]})
    remove_entry(schedules.get_schedules(), SCHEDULE, replaced["schedule"])
    names = {name: entry for entry in replaced["schedule"] for name in (entry.name, entry.label)}
    restore_names(schedules.get_schedules_map(), SCHEDULE, names)
    refresh()
    for entries in replaced.values():
        entries.clear()


def add_entry(entries: list[Any], ours: Any) -> list[Any]:
    """Appends our entry, removes others of the same name, and returns those."""
    others = [entry for entry in entries if entry.name == ours.name and entry is not ours]
    entries[:] = [entry for entry in entries if entry.name != ours.name] + [ours]
    return others


def remove_entry(entries: list[Any], ours: Any, others: list[Any]) -> None:
    """Removes our entry from a list and appends the ones that it replaced."""
    entries[:] = [entry for entry in entries if entry is not ours] + others


def restore_names(by_name: dict[str, Any], ours: Any, others: dict[str, Any]) -> None:
    """Removes our entry from a mapping of names and restores the ones that it replaced."""
    for name in [name for name, entry in by_name.items() if entry is ours]:
        del by_name[name]
    by_name.update(others)


def refresh() -> None:
    """Updates what the host derives from its lists."""
    sd_samplers.set_samplers()
    schedules.update_derived_names()
