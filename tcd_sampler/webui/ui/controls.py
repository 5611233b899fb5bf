"""The controls of one tab: where they stand, and when they are seen."""

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
    """A slider and the presets below the tab's samplers; for the hires pass, a field beside its denoising strength.

    The host's components appear in an order that users can change, so each of ours is made when first asked for and
    placed when its neighbour is there.
    """

    def __init__(self, script: Any) -> None:
        self.tab = script.tabname
        self.sampler_ids = [f"{self.tab}_sampling"]
        if not script.is_img2img:  # which has no hires pass, but the argument keeps its place in requests
            self.sampler_ids.append("hr_sampler")
        self.hires_neighbour = f"{self.tab}_denoising_strength"
        self.neighbours: dict[str, Any] = {}
        self.presets = PresetPanel(script, self.neighbours)
        self.last = f"{self.tab}_gallery"
        for elem_id in {*self.sampler_ids, self.hires_neighbour, *self.presets.neighbour_ids, self.last}:
            script.on_after_component(self.meet, elem_id=elem_id)

    @cached_property
    def gamma(self) -> gr.Slider:
        return gr.Slider(
            minimum=0,
            maximum=1,
            step=0.01,
            value=DEFAULT_GAMMA,
            label=GAMMA,
            info="0 = deterministic, 1 = full re-noising (LCM). Raise with more steps, lower if images are blurry.",
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
            elem_id=f"{self.tab}_tcd_hires_gamma",
            visible=False,
            render=False,
        )

    def list_hires_gammas(self) -> list[Any]:
        """The list, with a saved default that is not in it: the host keeps none that is not."""
        listed: list[Any] = [SAME, *(f"{tenths / 10:g}" for tenths in range(11))]
        saved = page.read_saved_default(self.tab, HIRES_GAMMA)
        try:
            choose_hires_gamma(saved, DEFAULT_GAMMA)
        except UserError:
            return listed
        return listed if saved is None or saved in listed else [*listed, saved]

    def meet(self, made: Any) -> None:
        """Stands beside a neighbour that the host has just made; after the last of them, makes the controls work."""
        neighbour = made.component
        self.neighbours[neighbour.elem_id] = neighbour
        if neighbour.elem_id == self.sampler_ids[0]:
            with page.placed_after(neighbour.parent):  # the row of samplers, which it would be too narrow in
                self.gamma.render()
                self.presets.make(self.gamma)
        elif neighbour.elem_id == self.hires_neighbour:
            self.hires_gamma.render()
        elif neighbour.elem_id == self.last:
            self.follow()
            self.presets.connect()

    def follow(self) -> None:
        inputs = [self.neighbours[elem_id] for elem_id in self.sampler_ids]
        outputs = [self.gamma, self.presets.block, self.hires_gamma][: len(inputs) + 1]
        for sampler in inputs:
            sampler.change(self.show, inputs=inputs, outputs=outputs, show_progress=False, queue=False)
        page.on_page_load(self.show, inputs=inputs, outputs=outputs)

    @staticmethod
    def show(sampler: str, hires_sampler: str | None = None) -> Any:
        """Shows each control where a pass that it belongs to is sampled with TCD."""
        first = is_tcd(sampler)
        if hires_sampler is None:
            return gr.update(visible=first), gr.update(visible=first)
        hires = first if hires_sampler == jobs.SAME_SAMPLER else is_tcd(hires_sampler)
        return gr.update(visible=first or hires), gr.update(visible=first or hires), gr.update(visible=hires)
