"""The presets of one tab: a list, and buttons that apply, save and delete them, and get or convert their LoRAs."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import gradio as gr

from ... import messages
from ...loras.catalogue import CATALOGUE, Published
from ...loras.prompt import find_loras, put_lora
from ...messages import Message
from ...presets import BUILT_IN, Preset
from ..compat import host
from ..errors import describe_failure, log
from ..lora_files import convert, find_foreign, get
from ..loras import choose_lora, is_for_tcd
from ..presets import PRESETS
from ..translation import translate

Updates = dict[Any, Any]

FIELDS = {
    "sampling": "sampler",
    "scheduler": "schedule",
    "steps": "steps",
    "cfg_scale": "cfg_scale",
    "denoising_strength": "denoising_strength",
}
"""The host's controls, by their elements' names without the tab's, to a preset's fields."""


class PresetControls:
    """neighbours: the host's components, by element; all of them are there when connect() is called."""

    def __init__(self, script: Any, neighbours: dict[str, Any]) -> None:
        self.tab, self.is_img2img = script.tabname, script.is_img2img
        self.neighbours = neighbours
        self.names = [*FIELDS, "prompt"]
        if not self.is_img2img:  # where it is the hires pass's
            self.names.remove("denoising_strength")
        self.neighbour_ids = [f"{self.tab}_{name}" for name in self.names]

    def make(self, gamma: Any) -> None:
        """Makes them where they are to stand."""
        self.gamma = gamma
        with gr.Column(visible=False, elem_id=f"{self.tab}_tcd_presets") as self.block:
            with gr.Row(elem_id=f"{self.tab}_tcd_preset_row"):
                self.name = gr.Dropdown(
                    choices=self.list_names(),
                    value=BUILT_IN[0].name,
                    allow_custom_value=True,
                    label="TCD preset",
                    elem_id=f"{self.tab}_tcd_preset",
                    scale=4,
                    min_width=160,
                )
                self.name.do_not_save_to_config = True  # the user's own may be gone by then
                self.apply_button = self.make_button("Apply", "apply")
                if host.may_write_files():
                    self.save_button = self.make_button("Save", "save")
                    self.delete_button = self.make_button("Delete", "delete")
                    self.get_button = self.make_button("Get LoRA", "get")
                self.convert_button = self.make_button("Convert LoRA", "convert", visible=False)
            self.message = gr.HTML(elem_id=f"{self.tab}_tcd_message")

    def make_button(self, text: str, name: str, **kwargs: Any) -> gr.Button:
        return gr.Button(text, elem_id=f"{self.tab}_tcd_{name}", size="sm", min_width=60, scale=0, **kwargs)

    def connect(self) -> None:
        """Makes the buttons work, once the host's controls are there."""
        found = {name: self.neighbours.get(f"{self.tab}_{name}") for name in self.names}
        self.prompt = prompt = found.pop("prompt")
        self.fields = {FIELDS[name]: control for name, control in found.items() if control is not None}
        self.fields["gamma"] = self.gamma
        controls, says = list(self.fields.values()), [self.message]
        quick = {"show_progress": False, "queue": False}

        def on_click(button: Any, action: Any, inputs: list[Any], outputs: list[Any]) -> None:
            button.click(self.reporting(action), inputs, [*outputs, *says], **quick)

        on_click(self.apply_button, self.apply, [self.name, prompt], [*controls, prompt, self.convert_button])
        if host.may_write_files():
            on_click(self.save_button, self.save, [self.name, prompt, *controls], [self.name])
            on_click(self.delete_button, self.delete, [self.name], [self.name])
            on_click(self.convert_button, self.convert, [prompt], [prompt, self.convert_button])
            get = self.get if host.runs_generators() else lambda name: list(self.get(name))[-1]
            self.get_button.click(get, [self.name], says, show_progress=False)
        host.on_page_load(self.refresh, inputs=[], outputs=[self.name])

    def list_names(self) -> list[str]:
        """Of the built-in ones alone, where the user's own cannot be read; saving one then says so."""
        try:
            presets = PRESETS.list(self.is_img2img)
        except ValueError:
            presets = [preset for preset in BUILT_IN if self.is_img2img or not preset.is_for_img2img]
        return [preset.name for preset in presets]

    def refresh(self) -> Any:
        return gr.update(choices=self.list_names())

    def say(self, template: str, **values: Any) -> Updates:
        return {self.message: escape(translate(Message(template, values)))}

    def refuse(self, error: ValueError) -> Updates:
        return {self.message: f'<span class="error">{escape(str(error))}</span>'}

    def reporting(self, action: Callable[..., Updates]) -> Callable[..., Updates]:
        """What a button does; a bug in it is in the log, and takes the place of the last message."""

        def act(*values: Any) -> Updates:
            try:
                return action(*values)
            except Exception as error:
                return self.report(error)

        return act

    def report(self, error: Exception) -> Updates:
        log(error)
        return {self.message: f'<span class="error">{escape(describe_failure(error))}</span>'}

    def apply(self, name: str, prompt: str) -> Updates:
        """Sets what the preset names, and nothing else."""
        try:
            preset = PRESETS.find(name, self.is_img2img)
        except ValueError as error:
            return self.refuse(error)
        named = {field: getattr(preset, field) for field in self.fields}
        updates = {self.fields[field]: gr.update(value=value) for field, value in named.items() if value is not None}
        return {**updates, **self.apply_lora(preset, prompt)}

    def apply_lora(self, preset: Preset, prompt: str) -> Updates:
        """Puts the preset's LoRA into the prompt, in place of another for TCD, and looks at what is there."""
        if preset.lora is None:
            return self.say(messages.APPLIED, preset=preset.name)
        _, family = host.get_checkpoint()
        lora = choose_lora(preset.lora, family)
        if lora is None:
            return self.advise(preset, family)
        has_comments = host.strips_comments()
        others = {found for found, _ in find_loras(prompt, has_comments) if is_for_tcd(found)}
        prompt = put_lora(prompt, lora.name, preset.weight, others, has_comments)
        foreign = find_foreign(prompt) if host.may_write_files() else None
        updates = {self.prompt: prompt, self.convert_button: gr.update(visible=bool(foreign))}
        if foreign:
            return {**updates, **self.say(messages.FOREIGN, lora=foreign)}
        return {**updates, **self.say(messages.ADDED, preset=preset.name, lora=lora.name)}

    def advise(self, preset: Preset, family: str | None) -> Updates:
        values = {"preset": preset.name, "lora": preset.lora, "family": family or "this checkpoint"}
        file = CATALOGUE.find(preset.lora or "", family)
        if file is None or not host.may_write_files():
            return self.say(messages.NO_FILE, **values)
        size = round(file.size / 1e6)
        return self.say(messages.NO_FILE_GET, **values, file=file.name, size=size, license=file.license)

    def save(self, name: str, prompt: str, *values: Any) -> Updates:
        """Keeps what the controls say now, and the prompt's LoRA for TCD."""
        settings = dict(zip(self.fields, values))
        settings["steps"] = round(settings["steps"])
        found = find_loras(prompt, host.strips_comments())
        loras = [(lora, weight) for lora, weight in found if weight is not None and is_for_tcd(lora)]
        if loras:
            settings["lora"], settings["weight"] = loras[0]
        name = (name or "").strip()
        try:
            PRESETS.save(Preset(name, **settings))
        except ValueError as error:
            return self.refuse(error)
        return {self.name: gr.update(choices=self.list_names(), value=name), **self.say(messages.SAVED, preset=name)}

    def delete(self, name: str) -> Updates:
        try:
            PRESETS.delete(name)
        except ValueError as error:
            return self.refuse(error)
        names = self.list_names()
        return {self.name: gr.update(choices=names, value=names[0]), **self.say(messages.DELETED, preset=name)}

    def get(self, name: str) -> Iterator[Updates]:
        """Fetches the preset's LoRA for the checkpoint's family, and says how far it is."""
        try:
            _, family = host.get_checkpoint()
            lora = PRESETS.find(name).lora or "TCD"
            file = CATALOGUE.find(lora, family)
            if file is None:
                yield self.say(messages.NOTHING_TO_GET, lora=lora, family=family or "this checkpoint")
                return
            for done in get(file):
                yield {self.message: show_progress(file, done)}
            yield self.say(messages.IS_THERE, lora=file.name)
        except ValueError as error:
            yield self.refuse(error)
        except Exception as error:
            yield self.report(error)

    def convert(self, prompt: str) -> Updates:
        """Puts a copy into the prompt in place of the first LoRA that the host cannot load."""
        original = find_foreign(prompt)
        if original is None:
            return {self.convert_button: gr.update(visible=False)}
        try:
            copy = convert(original)
        except ValueError as error:
            return self.refuse(error)
        has_comments = host.strips_comments()
        weight = dict(find_loras(prompt, has_comments))[original]
        prompt = put_lora(prompt, copy, 1 if weight is None else weight, {original}, has_comments)
        updates = {self.prompt: prompt, self.convert_button: gr.update(visible=find_foreign(prompt) is not None)}
        return {**updates, **self.say(messages.CONVERTED, lora=copy, original=original)}


def show_progress(file: Published, done: int) -> str:
    text = f"{file.name}: {done / 1e6:.0f} of {file.size / 1e6:.0f} MB"
    return f'<progress value="{done}" max="{file.size}"></progress> {escape(text)}'
