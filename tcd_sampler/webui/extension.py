"""Everything this extension changes in the host, and how it is taken back."""

from functools import cache

from modules import script_callbacks

from .compat.page import make_way_for_localizations
from .loras import get_index
from .registration import register, unregister
from .translation import LOCALIZATIONS
from .ui.infotext import check_pasted
from .ui.settings import add_settings, remove_settings
from .ui.xyz import add_axes, remove_axes


def install() -> None:
    """Called each time the host loads its scripts, at start and at Reload UI; it drops all callbacks in between."""
    add_to_lists()
    add_settings()  # at once: some hosts look them up before they ask for them (extra options, before A1111 1.9)
    make_way_for_localizations(LOCALIZATIONS)


def add_to_lists() -> None:
    """Puts all that the host lists into its lists, where it is not there yet."""
    register()
    add_axes()


@cache
def finish() -> None:
    """What waits until the host has loaded every script, and makes them.

    A callback costs a start 70 ms while scripts are loaded, and nothing now: the host goes through the stack for who
    registers it, which is slow for what is no module yet.
    """
    script_callbacks.on_infotext_pasted(check_pasted)
    script_callbacks.on_script_unloaded(uninstall)
    get_index()  # so that no job has to wait for it


def uninstall() -> None:
    unregister()
    remove_axes()
    remove_settings()
