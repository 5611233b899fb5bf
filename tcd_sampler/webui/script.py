"""The script that runs with every job. It applies the controls' values to the job."""

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
from .extension import add_to_lists, register_callbacks
from .job import determine_gammas, still_uses_tcd, store_gammas
from .names import GAMMA, HIRES_GAMMA, NAME
from .notify import add_to_info, clear_messages
from .presets import apply_preset
from .registration import register
from .sampler import check_model
from .state import Gammas
from .ui.controls import Controls
from .ui.infotext import InfotextField, read_gamma, read_hires_gamma
from .ui.settings import check_settings


class TCDScript(scripts.Script):
    """The script's arguments are gamma (0 to 1), the hires gamma (0 to 1, or "same") and a preset's name.

    None means that an argument is not set.
    """

    create_group = False  # the controls appear among the host's

    def __init__(self) -> None:
        # The host creates scripts just before the dropdowns of samplers, when other extensions have registered theirs.
        add_to_lists()
        register_callbacks()
        self.tcd_controls: Controls | None = None
        self.has_ui = False

    def title(self) -> str:
        return NAME

    def show(self, is_img2img: bool) -> Any:
        if self.tcd_controls is None:  # the host calls this more than once
            self.tcd_controls = Controls(self)
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        assert self.tcd_controls is not None
        gamma, hires_gamma = self.tcd_controls.gamma, self.tcd_controls.hires_gamma
        if self.has_ui:
            # The second call is for the defaults of API requests. By now the host has set the slider to the user's
            # saved default: an integer if that is 0 or 1, and infotexts would then contain integers too.
            gamma.value = check_saved_gamma(gamma.value)
            return [SimpleNamespace(value=None)] * 3
        self.has_ui = True
        preset = gr.Textbox(label="TCD preset", visible=False)  # for API requests; the page has a button
        preset.do_not_save_to_config = True
        self.infotext_fields = [
            (gamma, InfotextField(GAMMA, read_gamma)),
            (hires_gamma, InfotextField(HIRES_GAMMA, read_hires_gamma)),
        ]
        self.paste_field_names = [GAMMA]
        return [gamma, hires_gamma, preset]

    def before_process(self, p: Any, gamma: Any = None, hires_gamma: Any = None, preset: Any = None, *_: Any) -> None:
        """Determines everything that affects the image, before other extensions copy or distribute the job."""
        register()  # another extension may have registered a TCD sampler since
        clear_messages(p)
        with refusing(p), suppress(UserError):  # process() raises it again
            self.determine(p, gamma, hires_gamma, preset)

    def determine(self, p: Any, gamma: Any, hires_gamma: Any, preset: Any) -> Gammas | None:
        """Applies the preset and returns the job's gammas, which are written into its arguments too.

        Raises UserError if an argument is invalid.
        """
        preset_gamma = apply_preset(p, preset)
        gammas = determine_gammas(p, gamma, hires_gamma, preset_gamma)
        set_arguments(p, self, *(gammas or (gamma, hires_gamma)), None)
        return gammas

    def process(self, p: Any, gamma: Any = None, hires_gamma: Any = None, preset: Any = None, *_: Any) -> None:
        with refusing(p):
            store_gammas(p, None)
            gammas = self.determine(p, gamma, hires_gamma, preset)
            if gammas is not None:
                check_settings()
                check_model(p)
                store_gammas(p, gammas)

    def process_batch(self, p: Any, *_: Any, batch_number: int = 0, **__: Any) -> None:
        with reporting(p):
            if still_uses_tcd(p) and batch_number == 0:
                show_warnings(p)

    def postprocess(self, p: Any, processed: Any, *_: Any) -> None:
        add_to_info(p, processed)


def check_saved_gamma(value: Any) -> float:
    """Returns a saved default of the slider, or the slider's own default if the saved one is not a valid gamma."""
    try:
        return check_gamma(value)
    except UserError:
        return DEFAULT_GAMMA
