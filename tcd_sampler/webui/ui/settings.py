"""The settings page's section."""

import gradio as gr
from modules import shared

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA
from ...messages import BAD_SETTING
from ..advice import DISTILLED
from ..compat.guidance import evaluates_uncond_at_cfg_1
from ..compat.options import add_option, get_option, remove_option
from ..names import DEFAULT_GAMMA_OPTION, DISTILLED_OPTION, NAME, SINGLE_PASS_OPTION, WARNINGS_OPTION

SECTION = ("tcd", NAME)


def add_settings() -> None:
    default_gamma = shared.OptionInfo(
        DEFAULT_GAMMA,
        "Default gamma",
        gr.Slider,
        {"minimum": 0, "maximum": 1, "step": 0.01},
        section=SECTION,
    ).info("used when an API request or another extension (e.g. ADetailer) does not set gamma")
    add_option(DEFAULT_GAMMA_OPTION, default_gamma)
    if evaluates_uncond_at_cfg_1():
        single_pass = shared.OptionInfo(True, "At CFG scale 1, skip the negative prompt", section=SECTION)
        add_option(SINGLE_PASS_OPTION, single_pass.info("half the UNet calls, the same image"))
    warnings = shared.OptionInfo(True, "Warnings", section=SECTION)
    add_option(WARNINGS_OPTION, warnings.info("shown below the images when settings are likely wrong"))
    distilled = shared.OptionInfo(DISTILLED, "Distilled checkpoints", section=SECTION)
    add_option(DISTILLED_OPTION, distilled.info("checkpoints whose name contains one of these words need no TCD LoRA"))


def check_settings() -> None:
    """UserError where one that is in force, perhaps for one job alone, is not of its kind. (Gamma's are in job.py.)"""
    for key, kind, allowed in (
        (WARNINGS_OPTION, bool, "true or false"),
        (SINGLE_PASS_OPTION, bool, "true or false"),
        (DISTILLED_OPTION, str, "text"),
    ):
        value = get_option(key, kind())
        if not isinstance(value, kind):
            raise UserError(BAD_SETTING, field=key, allowed=allowed, value=repr(value))


def remove_settings() -> None:
    for key in (DEFAULT_GAMMA_OPTION, SINGLE_PASS_OPTION, WARNINGS_OPTION, DISTILLED_OPTION):
        remove_option(key)
