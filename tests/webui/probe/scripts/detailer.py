"""Runs an inner job for each image of a job, as ADetailer does."""

from contextlib import closing
from copy import copy

import gradio as gr
from modules import processing, scripts, shared


class Detailer(scripts.Script):
    """Arguments: the inner job's sampler, or "" for no inner job; and what it inherits: "infotext", "scripts" or "".

    With "scripts", only the TCD script runs, and none of its arguments is set.
    """

    def title(self):
        return "Probe detailer"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(visible=False, value=""), gr.Textbox(visible=False, value="")]

    def postprocess_image(self, p, pp, sampler, inherits):
        if not sampler or getattr(p, "is_detail", False):
            return
        inner = processing.StableDiffusionProcessingImg2Img(
            sd_model=shared.sd_model,
            init_images=[pp.image],
            denoising_strength=0.75,
            inpainting_fill=1,
            prompt=p.prompt,
            seed=5,
            steps=p.steps,
            width=p.width,
            height=p.height,
            cfg_scale=p.cfg_scale,
            sampler_name=sampler,
            do_not_save_samples=True,
            do_not_save_grid=True,
        )
        if inherits == "infotext":
            inner.extra_generation_params = {k: v for k, v in p.extra_generation_params.items() if not callable(v)}
        inner.scripts, inner.script_args = self.choose_scripts(p, inherits)
        inner.is_detail = True
        with closing(inner):
            pp.image = processing.process_images(inner).images[0]
        # ersatzForge has written the infotext, and appends these
        parameters = getattr(pp, "info", p.extra_generation_params)
        parameters["Detail gamma"] = inner.extra_generation_params.get("TCD gamma")

    def choose_scripts(self, p, inherits):
        runner = copy(p.scripts)
        runner.alwayson_scripts = []
        if inherits == "scripts":
            runner.alwayson_scripts = [script for script in p.scripts.alwayson_scripts if script.title() == "TCD"]
            last = max(script.args_to for script in p.scripts.alwayson_scripts)
            return runner, [0] + [None] * last
        return runner, ()
