"""The controls of one tab, their positions, and when they are visible."""

from functools import cached_property
from typing import Any

import gradio as gr

from ...errors import UserError
from ...gamma import DEFAULT_GAMMA
from ..compat import jobs, page
from ..job import choose_hires_gamma, is_tcd
from ..names import GAMMA, HIRES_GAMMA, SAME
from .preset_panel import PresetPanel


class Controls:
    """The gamma slider and the presets below the tab's samplers, and the hires gamma beside the denoising strength.

    Users can change the order of the host's components. Each control is therefore created on first use, and placed when
    the component beside it exists.
    """

    def __init__(self, script: Any) -> None:
        self.tab = script.tabname
        self.sampler_ids = [f"{self.tab}_sampling"]
        if not script.is_img2img:  # img2img has no hires pass; the argument exists there too, unused
            self.sampler_ids.append("hr_sampler")
        self.strength_id = f"{self.tab}_denoising_strength"
        self.host_components: dict[str, Any] = {}
        self.presets = PresetPanel(script, self.host_components)
        self.last_id = f"{self.tab}_gallery"
        for elem_id in {*self.sampler_ids, self.strength_id, *self.presets.host_ids, self.last_id}:
            script.on_after_component(self.on_component, elem_id=elem_id)

    @cached_property
    def gamma(self) -> gr.Slider:
        return gr.Slider(
            minimum=0,
            maximum=1,
            step=0.01,
            value=DEFAULT_GAMMA,
            label=GAMMA,
            info="0 = deterministic, 1 = full re-noising (LCM). Lower it if images are blurry. "
            "Authors' advice: raise it with more steps.",
            elem_id=f"{self.tab}_tcd_gamma",
            visible=False,
            render=False,
        )

    @cached_property
    def hires_gamma(self) -> gr.Dropdown:
        return gr.Dropdown(
            choices=self.list_hires_gammas(),
            value=SAME,
            allow_custom_value=True,
            label=HIRES_GAMMA,
            info="same = TCD gamma. You can also type a number from 0 to 1.",
            elem_id=f"{self.tab}_tcd_hires_gamma",
            visible=False,
            render=False,
        )

    def list_hires_gammas(self) -> list[Any]:
        """Returns the choices, with the user's saved default, because the host drops a default that is no choice."""
        listed: list[Any] = [SAME, *(f"{tenths / 10:g}" for tenths in range(11))]
        saved = page.read_saved_default(self.tab, HIRES_GAMMA)
        try:
            choose_hires_gamma(saved, DEFAULT_GAMMA)
        except UserError:
            return listed
        return listed if saved is None or saved in listed else [*listed, saved]

    def on_component(self, created: Any) -> None:
        """Places the controls beside a component that the host has just created. Connects them after the last one."""
        component = created.component
        self.host_components[component.elem_id] = component
        if component.elem_id == self.sampler_ids[0]:
            with page.placed_after(component.parent):  # below the row of samplers, which is too narrow
                self.gamma.render()
                self.presets.make(self.gamma)
        elif component.elem_id == self.strength_id:
            self.hires_gamma.render()
        elif component.elem_id == self.last_id:
            self.connect()
            self.presets.connect()

    def connect(self) -> None:
        """Updates the controls' visibility when a sampler changes and when the page loads."""
        inputs = [self.host_components[elem_id] for elem_id in self.sampler_ids]
        outputs = [self.gamma, self.presets.block, self.hires_gamma][: len(inputs) + 1]
        for sampler in inputs:
            sampler.change(self.show, inputs=inputs, outputs=outputs, show_progress=False, queue=False)
        page.on_page_load(self.show, inputs=inputs, outputs=outputs)

    @staticmethod
    def show(sampler: str, hires_sampler: str | None = None) -> Any:
        """Returns updates that show each control if a pass that it belongs to uses TCD."""
        first = is_tcd(sampler)
        if hires_sampler is None:
            return gr.update(visible=first), gr.update(visible=first)
        hires = first if hires_sampler == jobs.SAME_SAMPLER else is_tcd(hires_sampler)
        return gr.update(visible=first or hires), gr.update(visible=first or hires), gr.update(visible=hires)
