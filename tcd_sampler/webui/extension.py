"""Everything that this extension adds to the host, and how it is removed."""

from functools import cache

from modules import script_callbacks

from .. import __version__
from .compat.page import prefer_other_localizations
from .loras import get_index
from .registration import register, unregister
from .translation import LOCALIZATIONS
from .ui.infotext import check_pasted
from .ui.settings import add_settings, remove_settings
from .ui.xyz import add_axes, remove_axes


def install() -> None:
    """Adds everything that the host needs before it builds its page.

    Called when the host loads its scripts, at start and at Reload UI. The host drops all callbacks in between.
    """
    print(f"sd-webui-tcd {__version__}")  # the WebUI's log hides messages below the level of warnings
    add_to_lists()
    add_settings()  # not in on_ui_settings: A1111 before 1.9 reads extra options before it calls that
    prefer_other_localizations(LOCALIZATIONS)


def add_to_lists() -> None:
    """Adds the sampler, the schedule and the X/Y/Z axes to the host's lists, if they are not there yet."""
    register()
    add_axes()


@cache
def register_callbacks() -> None:
    """Registers callbacks when the host creates its scripts, after all script files are loaded.

    The host inspects the stack to find out who registers a callback. While it loads a script file, this takes 70 ms
    for each callback, because the file is no module yet.
    """
    script_callbacks.on_infotext_pasted(check_pasted)
    script_callbacks.on_script_unloaded(uninstall)
    get_index()  # builds it now, so that no job waits for it


def uninstall() -> None:
    """Removes everything that install() and register_callbacks() added."""
    unregister()
    remove_axes()
    remove_settings()
