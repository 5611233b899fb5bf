"""The script that the host runs beside every job: the controls' values go in, the job's gammas come out."""

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import gradio as gr
from modules import scripts

from ..errors import UserError
from ..gamma import DEFAULT_GAMMA, check_gamma
from .advice import show_warnings
from .arguments import set_arguments
from .errors import refusing, reporting
from .extension import add_to_lists, finish
from .job import follow_sampler, prepare, settle
from .names import GAMMA, HIRES_GAMMA, NAME
from .notify import add_to_info, clear_messages
from .presets import follow_preset
from .registration import register
from .sampler import check_model
from .state import Gammas
from .ui.controls import Controls
from .ui.infotext import InfotextField, read_gamma, read_hires_gamma
from .ui.settings import check_settings


class TCDScript(scripts.Script):
    """Arguments: gamma, a number from 0 to 1; the hires pass's gamma, another or "same"; a preset's name.

    None stands for one that is not given.
    """

    create_group = False  # its controls stand among the host's

    def __init__(self) -> None:
        # The host makes its scripts just before it makes its lists' dropdowns: other extensions have had their say.
        add_to_lists()
        finish()
        self.tcd_controls: Controls | None = None
        self.has_ui = False

    def title(self) -> str:
        return NAME

    def show(self, is_img2img: bool) -> Any:
        if self.tcd_controls is None:  # the host asks more than once
            self.tcd_controls = Controls(self)
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        assert self.tcd_controls is not None
        gamma, hires_gamma = self.tcd_controls.gamma, self.tcd_controls.hires_gamma
        if self.has_ui:
            # Asked again, the host wants the arguments' defaults, for requests that do not name them. By now it has put
            # the user's own into the slider: a whole number where it is 0 or 1, and so would infotexts' values be.
            gamma.value = keep_gamma(gamma.value)
            return [SimpleNamespace(value=None)] * 3
        self.has_ui = True
        preset = gr.Textbox(label="TCD preset", visible=False)  # the page applies them itself, before a job
        preset.do_not_save_to_config = True
        self.infotext_fields = [
            (gamma, InfotextField(GAMMA, read_gamma)),
            (hires_gamma, InfotextField(HIRES_GAMMA, read_hires_gamma)),
        ]
        self.paste_field_names = [GAMMA]
        return [gamma, hires_gamma, preset]

    def before_process(self, p: Any, gamma: Any = None, hires_gamma: Any = None, preset: Any = None, *_: Any) -> None:
        """Settles what decides the image, before other extensions copy the job or send it to other machines."""
        register()  # whatever has called itself TCD since
        clear_messages(p)
        with refusing(p), suppress(UserError):  # which process() will refuse
            self.settle(p, gamma, hires_gamma, preset)

    def settle(self, p: Any, gamma: Any, hires_gamma: Any, preset: Any) -> Gammas | None:
        preset_gamma = follow_preset(p, preset)
        gammas = settle(p, gamma, hires_gamma, preset_gamma)
        set_arguments(p, self, *(gammas or (gamma, hires_gamma)), None)
        return gammas

    def process(self, p: Any, gamma: Any = None, hires_gamma: Any = None, preset: Any = None, *_: Any) -> None:
        with refusing(p):
            prepare(p, None)
            gammas = self.settle(p, gamma, hires_gamma, preset)
            if gammas is not None:
                check_settings()
                check_model(p)
                prepare(p, gammas)

    def process_batch(self, p: Any, *_: Any, batch_number: int = 0, **__: Any) -> None:
        with reporting(p):
            if follow_sampler(p) and batch_number == 0:
                show_warnings(p)

    def postprocess(self, p: Any, processed: Any, *_: Any) -> None:
        add_to_info(p, processed)


def keep_gamma(value: Any) -> float:
    """A saved default of the slider; the slider's own where the user's file has none that can be."""
    try:
        return check_gamma(value)
    except UserError:
        return DEFAULT_GAMMA
