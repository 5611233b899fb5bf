"""The presets of one tab: a list, and buttons to apply, save and delete presets, and to download or convert LoRAs."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import gradio as gr

from ...errors import UserError
from ...messages import Message
from ...presets import BUILT_IN
from ..compat.page import may_write_files, on_page_load, runs_generators
from ..errors import describe_failure, log
from ..translation import translate
from . import preset_actions
from .preset_actions import Outcome, Progress

Updates = dict[Any, Any]
"""New values or updates by component, for Gradio."""

CONTROLS = {
    "sampling": "sampler",
    "scheduler": "schedule",
    "steps": "steps",
    "cfg_scale": "cfg_scale",
    "denoising_strength": "denoising_strength",
}
"""A preset's fields, by the element ids of the host's controls without the tab's name."""


class PresetPanel:
    """The panel of one tab.

    host_components has the host's components by element id. It must be complete when connect() is called.
    """

    def __init__(self, script: Any, host_components: dict[str, Any]) -> None:
        self.tab, self.is_img2img = script.tabname, script.is_img2img
        self.host_components = host_components
        self.names = [*CONTROLS, "prompt"]
        if not self.is_img2img:  # in txt2img it belongs to the hires pass
            self.names.remove("denoising_strength")
        self.host_ids = [f"{self.tab}_{name}" for name in self.names]

    def make(self, gamma: Any) -> None:
        """Creates the components at the current position in the page."""
        self.gamma = gamma
        with gr.Column(visible=False, elem_id=f"{self.tab}_tcd_presets") as self.block:
            with gr.Row(elem_id=f"{self.tab}_tcd_preset_row"):
                self.name = gr.Dropdown(
                    choices=preset_actions.list_names(self.is_img2img),
                    value=BUILT_IN[0].name,
                    allow_custom_value=True,
                    label="TCD preset",
                    elem_id=f"{self.tab}_tcd_preset",
                    scale=4,
                    min_width=160,
                )
                self.name.do_not_save_to_config = True  # the saved preset may be deleted later
                self.apply_button = self.make_button("Apply", "apply")
                if may_write_files():
                    self.save_button = self.make_button("Save", "save")
                    self.delete_button = self.make_button("Delete", "delete")
                    self.download_button = self.make_button("Download LoRA", "get")
                self.convert_button = self.make_button("Convert LoRA", "convert", visible=False)
            self.message = gr.HTML(elem_id=f"{self.tab}_tcd_message")

    def make_button(self, text: str, name: str, **kwargs: Any) -> gr.Button:
        return gr.Button(text, elem_id=f"{self.tab}_tcd_{name}", size="sm", min_width=60, scale=0, **kwargs)

    def connect(self) -> None:
        """Connects the buttons. The host's controls must exist."""
        found = {name: self.host_components.get(f"{self.tab}_{name}") for name in self.names}
        self.prompt = found.pop("prompt")
        self.controls = {CONTROLS[name]: control for name, control in found.items() if control is not None}
        self.controls["gamma"] = self.gamma
        controls, quick = list(self.controls.values()), {"show_progress": False, "queue": False}

        def on_click(button: Any, action: Callable[..., Outcome], inputs: list[Any], outputs: list[Any]) -> None:
            button.click(self.make_handler(action), inputs, [*outputs, self.message], **quick)

        on_click(self.apply_button, self.apply, [self.name, self.prompt], [*controls, self.prompt, self.convert_button])
        if may_write_files():
            on_click(self.save_button, self.save, [self.name, self.prompt, *controls], [self.name])
            on_click(self.delete_button, self.delete, [self.name], [self.name])
            on_click(self.convert_button, preset_actions.convert, [self.prompt], [self.prompt, self.convert_button])
            fetch = self.fetch if runs_generators() else lambda name: list(self.fetch(name))[-1]
            self.download_button.click(fetch, [self.name], [self.message], show_progress=False)
        on_page_load(self.refresh, inputs=[], outputs=[self.name])

    def refresh(self) -> Any:
        """Returns an update with the current list of presets."""
        return gr.update(choices=preset_actions.list_names(self.is_img2img))

    def apply(self, name: str, prompt: str) -> Outcome:
        return preset_actions.apply(name, prompt, self.is_img2img)

    def save(self, name: str, prompt: str, *values: Any) -> Outcome:
        return preset_actions.save(name, prompt, dict(zip(self.controls, values)), self.is_img2img)

    def delete(self, name: str) -> Outcome:
        return preset_actions.delete(name, self.is_img2img)

    def fetch(self, name: str) -> Iterator[Updates]:
        """Downloads a preset's LoRA. Yields updates with the progress, then the outcome or the error."""
        try:
            for step in preset_actions.fetch(name):
                yield self.show(step)
        except Exception as error:
            yield self.show_error(error)

    def make_handler(self, action: Callable[..., Outcome]) -> Callable[..., Updates]:
        """Returns a function that runs an action and returns the updates for its outcome or error."""

        def act(*values: Any) -> Updates:
            try:
                return self.show(action(*values))
            except Exception as error:
                return self.show_error(error)

        return act

    def show(self, step: Outcome | Progress) -> Updates:
        """Returns the updates for an action's outcome or progress."""
        if isinstance(step, Progress):
            return {self.message: show_progress(step)}
        updates = {
            self.controls[name]: gr.update(value=v) for name, v in step.settings.items() if name in self.controls
        }
        if step.message is not None:
            updates[self.message] = escape(translate(step.message))
        if step.prompt is not None:
            updates[self.prompt] = step.prompt
        if step.can_convert is not None:
            updates[self.convert_button] = gr.update(visible=step.can_convert)
        if step.names is not None:
            updates[self.name] = gr.update(choices=step.names, value=step.name)
        return updates

    def show_error(self, error: Exception) -> Updates:
        """Returns an update that replaces the message by an error. Also logs the error if it is a bug."""
        message: Message
        if isinstance(error, UserError):
            message = error.message
        else:
            log(error)
            message = describe_failure(error)
        return {self.message: f'<span class="error">{escape(translate(message))}</span>'}


def show_progress(progress: Progress) -> str:
    """Returns a download's progress as HTML."""
    file, done = progress.file, progress.done
    text = f"{file.name}: {done / 1e6:.0f} / {file.size / 1e6:.0f} MB"
    return f'<progress value="{done}" max="{file.size}"></progress> {escape(text)}'
