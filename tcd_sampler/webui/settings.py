"""The settings page's section."""

import gradio as gr
from modules import shared

from ..gamma import DEFAULT_GAMMA
from .host import add_option, remove_option
from .names import DEFAULT_GAMMA_OPTION, NAME


def add_settings() -> None:
    default_gamma = shared.OptionInfo(
        DEFAULT_GAMMA,
        "Default gamma",
        gr.Slider,
        {"minimum": 0, "maximum": 1, "step": 0.01},
        section=("tcd", NAME),
    ).info("for jobs that bring none: API requests, and other extensions' own passes, such as ADetailer's")
    add_option(DEFAULT_GAMMA_OPTION, default_gamma)


def remove_settings() -> None:
    remove_option(DEFAULT_GAMMA_OPTION)
