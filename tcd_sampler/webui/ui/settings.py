"""The extension's section of the settings page."""

import gradio as gr
from modules import shared

from ... import __version__
from ...advice import DISTILLED
from ...errors import UserError
from ...gamma import DEFAULT_GAMMA
from ...messages import BAD_SWITCH, BAD_TEXT
from ..compat.guidance import supports_single_pass
from ..compat.options import add_option, get_option, remove_option
from ..names import (
    DEFAULT_GAMMA_OPTION,
    DISTILLED_OPTION,
    NAME,
    SINGLE_PASS_OPTION,
    VERSION_OPTION,
    WARNINGS_OPTION,
)

SECTION = ("tcd", NAME)


def add_settings() -> None:
    """Adds the version and the settings, without the one for the negative prompt if it has no effect on this host."""
    version = shared.OptionHTML(f"sd-webui-tcd {__version__}")
    version.section = SECTION
    shared.opts.add_option(VERSION_OPTION, version)
    default_gamma = shared.OptionInfo(
        DEFAULT_GAMMA,
        "Default gamma",
        gr.Slider,
        {"minimum": 0, "maximum": 1, "step": 0.01},
        section=SECTION,
    ).info("used when an API request or another extension's pass sets no gamma; does not change the slider")
    add_option(DEFAULT_GAMMA_OPTION, default_gamma)
    if supports_single_pass():
        single_pass = shared.OptionInfo(True, "At CFG scale 1, skip the negative prompt", section=SECTION)
        add_option(SINGLE_PASS_OPTION, single_pass.info("half the sampling time, the same image except for rounding"))
    warnings = shared.OptionInfo(True, "Warnings", section=SECTION)
    add_option(WARNINGS_OPTION, warnings.info("shown below the images when settings are likely wrong"))
    distilled = shared.OptionInfo(DISTILLED, "Distilled checkpoints", section=SECTION)
    add_option(
        DISTILLED_OPTION,
        distilled.info("comma-separated words: checkpoints whose name contains any of them need no TCD LoRA"),
    )


def check_settings() -> None:
    """Raises UserError if a current value, which may be a job's override, has a wrong type.

    job.py checks the default gamma.
    """
    for key, kind, message in (
        (WARNINGS_OPTION, bool, BAD_SWITCH),
        (SINGLE_PASS_OPTION, bool, BAD_SWITCH),
        (DISTILLED_OPTION, str, BAD_TEXT),
    ):
        value = get_option(key, kind())
        if not isinstance(value, kind):
            raise UserError(message, field=key, value=repr(value))


def remove_settings() -> None:
    """Removes the settings. The user's values are kept."""
    for key in (VERSION_OPTION, DEFAULT_GAMMA_OPTION, SINGLE_PASS_OPTION, WARNINGS_OPTION, DISTILLED_OPTION):
        remove_option(key)
