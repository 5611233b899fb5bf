"""The settings page's section."""

import gradio as gr
from modules import shared

from ..gamma import DEFAULT_GAMMA
from .host import add_option, evaluates_uncond_at_cfg_1, remove_option
from .names import DEFAULT_GAMMA_OPTION, NAME, SINGLE_PASS_OPTION

SECTION = ("tcd", NAME)


def add_settings() -> None:
    default_gamma = shared.OptionInfo(
        DEFAULT_GAMMA,
        "Default gamma",
        gr.Slider,
        {"minimum": 0, "maximum": 1, "step": 0.01},
        section=SECTION,
    ).info("for jobs that bring none: API requests, and other extensions' own passes, such as ADetailer's")
    add_option(DEFAULT_GAMMA_OPTION, default_gamma)
    if evaluates_uncond_at_cfg_1():
        single_pass = shared.OptionInfo(True, "At CFG scale 1, do not evaluate the negative prompt", section=SECTION)
        add_option(SINGLE_PASS_OPTION, single_pass.info("half the work, the same picture"))


def remove_settings() -> None:
    remove_option(DEFAULT_GAMMA_OPTION)
    remove_option(SINGLE_PASS_OPTION)
