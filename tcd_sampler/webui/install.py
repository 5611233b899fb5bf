"""Everything this extension changes in the host, and how it is taken back."""

from modules import script_callbacks

from .infotext import warn_of_bad_gammas
from .registration import register, unregister
from .settings import add_settings, remove_settings
from .xyz import add_axes, remove_axes


def install() -> None:
    """Called each time the host loads its scripts, at start and at Reload UI; it drops all callbacks in between."""
    add_to_lists()
    script_callbacks.on_before_ui(add_to_lists)  # once more, when all scripts are loaded: some also call theirs TCD
    script_callbacks.on_ui_settings(add_settings)
    script_callbacks.on_infotext_pasted(warn_of_bad_gammas)
    script_callbacks.on_script_unloaded(uninstall)


def add_to_lists() -> None:
    register()
    add_axes()


def uninstall() -> None:
    unregister()
    remove_axes()
    remove_settings()
