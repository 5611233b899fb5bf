"""The settings page's section."""

import gradio as gr
from modules import shared

from ..gamma import DEFAULT_GAMMA
from .names import DEFAULT_GAMMA_OPTION, NAME


def add_settings() -> None:
    default_gamma = shared.OptionInfo(
        DEFAULT_GAMMA,
        "Default gamma",
        gr.Slider,
        {"minimum": 0, "maximum": 1, "step": 0.01},
        section=("tcd", NAME),
    ).info("for jobs that bring none: API requests, and other extensions' own passes, such as ADetailer's")
    shared.opts.add_option(DEFAULT_GAMMA_OPTION, default_gamma)
    # not every host does so itself, and then fails over requests that override the setting
    shared.opts.data.setdefault(DEFAULT_GAMMA_OPTION, DEFAULT_GAMMA)


def remove_settings() -> None:
    shared.opts.data_labels.pop(DEFAULT_GAMMA_OPTION, None)
