"""Everything this extension changes in the host, and how it is taken back."""

from modules import script_callbacks

from .infotext import warn_of_bad_gammas
from .registration import log_displaced, register, unregister
from .settings import add_settings, remove_settings
from .xyz import add_axes, remove_axes


def install() -> None:
    """Called each time the host loads its scripts, at start and at Reload UI; it drops all callbacks in between."""
    add_to_lists()
    script_callbacks.on_before_ui(before_ui)
    script_callbacks.on_ui_settings(add_settings)
    script_callbacks.on_infotext_pasted(warn_of_bad_gammas)
    script_callbacks.on_script_unloaded(uninstall)


def add_to_lists() -> None:
    register()
    add_axes()


def before_ui() -> None:
    """Once more, now that all scripts are loaded: others may have called theirs TCD since."""
    add_to_lists()
    log_displaced()


def uninstall() -> None:
    unregister()
    remove_axes()
    remove_settings()
