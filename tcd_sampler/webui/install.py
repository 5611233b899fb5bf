"""Everything this extension changes in the host, and how it is taken back."""

from modules import script_callbacks

from . import host
from .infotext import check_pasted
from .loras import get_index
from .registration import log_displaced, unregister
from .script import add_to_lists
from .settings import add_settings, remove_settings
from .translation import LOCALIZATIONS
from .xyz import remove_axes


def install() -> None:
    """Called each time the host loads its scripts, at start and at Reload UI; it drops all callbacks in between."""
    add_to_lists()
    add_settings()  # at once: some hosts look them up before they ask for them (extra options, before A1111 1.9)
    script_callbacks.on_before_ui(lambda: host.make_way_for_localizations(LOCALIZATIONS))
    script_callbacks.on_app_started(lambda *_: log_displaced())
    script_callbacks.on_app_started(lambda *_: get_index())  # so that no job has to wait for it
    script_callbacks.on_infotext_pasted(check_pasted)
    script_callbacks.on_script_unloaded(uninstall)


def uninstall() -> None:
    unregister()
    remove_axes()
    remove_settings()
