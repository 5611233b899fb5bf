"""Records what a job computes inside the WebUI, and changes the job as other extensions and users do.

The arguments of the script "Probe" are a file to record to, and the names of actions, separated by spaces.
On the page, where these arguments have no controls, a prompt with "probe:ACTION" does an action.
"""

import copy
import json
import logging
import pickle
import re
import sys
from contextlib import closing
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy
import torch
from modules import processing, rng, script_callbacks, scripts, sd_samplers, sd_samplers_kdiffusion, shared

current = SimpleNamespace(p=None, record=None, actions=(), log=[], copied=[], opened=[], restore=lambda: None)
draw = getattr(rng.ImageRNG.next, "unrecorded", rng.ImageRNG.next)


def recorded_draw(self):
    noise = draw(self)
    note("noise", noise)
    return noise


recorded_draw.unrecorded = draw
rng.ImageRNG.next = recorded_draw


class Log(logging.Handler):
    """Collects what the extension logs while a job runs."""

    def emit(self, record):
        current.log.append(record.getMessage())


logger = logging.getLogger("tcd_sampler")
logger.handlers = [Log()]
if not logging.root.handlers:
    logger.addHandler(logging.lastResort)  # Python uses it only for loggers without any handler
logger.setLevel(logging.DEBUG)


def note(key, tensor):
    if current.record is not None:
        current.record.setdefault(key, []).append(tensor.detach().cpu().numpy().copy())


def watch_unet():
    """Counts the batch entries that the UNet evaluates. Called at every step, because a refiner has its own UNet."""
    model = getattr(shared.sd_model, "forge_objects", None)
    unet = (model.unet.model if model else shared.sd_model.model).diffusion_model
    if not hasattr(unet, "probed"):
        unet.probed = unet.register_forward_pre_hook(count_rows, with_kwargs=True)


def count_rows(_, args, kwargs):
    note("rows", torch.tensor(len(args[0] if args else kwargs["x"])))


count_rows.__module__ = "modules.probe"  # or TCD would take it for another extension's


def images_in(params):
    """Returns one batch entry of x per image: the host stacks one per prompt, then one per image for the negative."""
    return params.x[-len(current.p.seeds) :]


def before_denoiser(params):
    if current.record is not None:
        watch_unet()
        note("x", images_in(params))
        note("sigma", params.sigma[:1])
        if getattr(params.image_cond, "ndim", 0) == 4 and params.image_cond.shape[1] == 5:  # inpainting checkpoints
            note("image_cond", params.image_cond[-len(current.p.seeds) :])
        if torch.is_tensor(getattr(current.p, "nmask", None)):
            note("nmask", current.p.nmask)
    for action in {"interrupt", "skip"}.intersection(current.actions):
        if params.sampling_step >= 1:
            getattr(shared.state, action)()
    if "draw" in current.actions:
        torch.randn(7, device=params.x.device)
        current.p.rng.next()


def after_cfg(params):
    note("denoised", params.x)


script_callbacks.on_cfg_denoiser(before_denoiser)
script_callbacks.on_cfg_after_cfg(after_cfg)


denoisers = sd_samplers_kdiffusion.CFGDenoiserKDiffusion
inner_model = getattr(denoisers.inner_model.fget, "original", denoisers.inner_model)


def get_flow_model(_):
    """Returns what flow models have instead of an epsilon- or v-prediction wrapper."""
    return SimpleNamespace(sigmas=torch.linspace(0.001, 1, 1000))


def get_flow_model_first(denoiser):
    """Returns the same only for TCD in the first pass, as with a hires checkpoint of another family."""
    is_concerned = type(denoiser).__name__ == "TCDDenoiser" and not current.p.is_hr_pass
    return (get_flow_model if is_concerned else inner_model.fget)(denoiser)


for replacement in (get_flow_model, get_flow_model_first):
    replacement.original = inner_model
MODELS = {"flow": property(get_flow_model), "flow-first": property(get_flow_model_first)}


def use_flow_prediction():
    """Makes Forge's loaded model predict as flow models do, by Forge's own class. Returns what restores it."""
    unet = shared.sd_model.forge_objects.unet.model
    own = unet.predictor
    flow = sys.modules[type(own).__module__].PredictionDiscreteFlow
    arguments = [SimpleNamespace(sampling_settings={})] if "model_config" in signature(flow).parameters else []  # Neo's
    unet.predictor = flow(*arguments)
    return lambda: setattr(unet, "predictor", own)


def publish(size, sha256):
    """Sets the size and the hash of the published TCD LoRAs in the catalogue."""
    for file in sys.modules["tcd_sampler.loras.catalogue"].CATALOGUE.files:
        if file.recommended.method == "TCD":
            vars(file).update(size=int(size), sha256=sha256)


PLACES = {"choose_lora": "ui.preset_actions"}
"""Modules of the functions that plant replaces. The default is script."""


BUGS = {
    "ValueError": lambda: float("planted"),
    "KeyError": lambda: {}["planted"],
    "RuntimeError": lambda: torch.zeros(2, 3) @ torch.zeros(2, 3),
}


def plant(name, kind="KeyError"):
    """Makes a function of TCD's script or page fail as with a bug, and returns a function that undoes this."""
    module = sys.modules[f"tcd_sampler.webui.{PLACES.get(name, 'script')}"]
    own = getattr(module, name)

    def fail(*_, **__):
        BUGS[kind]()

    setattr(module, name, fail)
    return lambda: setattr(module, name, own)


def watch_files():
    """Records which LoRA files the extension opens or hashes."""
    loras = sys.modules["tcd_sampler.webui.loras"]
    for owner, name in ((loras, "read_lora"), (loras.hashes, "sha256")):
        own = getattr(owner, name)
        if hasattr(own, "watched"):
            continue

        def watched(path, *args, own=own, **kwargs):
            if "Lora" in Path(path).parts:
                current.opened.append(Path(path).stem)
            return own(path, *args, **kwargs)

        watched.watched = True
        setattr(owner, name, watched)


class Unseen(tuple):
    """A value that infotexts leave out."""

    def __call__(self, **_):
        return None


def copy_job(p):
    """Copies a job as queues and distributed engines do, and returns the TCD script's arguments."""
    ours = {name: value for name, value in vars(p).items() if "tcd" in name}
    ours["extra_generation_params"] = {k: v for k, v in p.extra_generation_params.items() if "TCD" in k}
    [runner] = [one for one in p.scripts.alwayson_scripts if one.title() == "TCD"]
    ours["arguments"] = list(p.script_args[runner.args_from : runner.args_to])
    for make in (copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        assert make(ours) == ours
    json.dumps(ours)
    return ours["arguments"]


class Probe(scripts.Script):
    def title(self):
        return "Probe"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(visible=False, value=""), gr.Textbox(visible=False, value="")]

    def setup(self, p, *_):
        """Prepares the probe before TCD's script, the first of all scripts, prepares the job."""
        current.restore()
        current.opened = []
        watch_files()

    def before_process(self, p, file, actions):
        if current.p is None or p.extra_generation_params is not current.p.extra_generation_params:
            current.log = []  # ADetailer starts the scripts again with a copy of a job
        actions = actions.split() + re.findall(r"probe:(\S+)", str(p.prompt))
        current.p, current.record, current.actions = p, {} if file else None, actions
        current.copied = current.copied if "again" in current.actions else []
        denoisers.inner_model = next((MODELS[one] for one in current.actions if one in MODELS), inner_model)
        for action in current.actions:
            if action.startswith("publish:"):
                publish(*action.split(":")[1:])
            if action.startswith("bug:"):
                current.restore = plant(*action.split(":")[1:])
            if action == "flow-prediction":
                current.restore = use_flow_prediction()
        if "rename" in current.actions:
            ours = sd_samplers.all_samplers_map["TCD"]
            sd_samplers.all_samplers_map["Renamed"] = type(ours)("Renamed", *ours[1:])

    def process(self, p, file, actions):
        if "copy" in current.actions:
            current.copied.append(copy_job(p))

    def before_process_batch(self, p, file, actions, **_):
        if "change" in current.actions:  # as Tiled Diffusion's noise inversion does
            p.sampler_name = "Euler a"
        if "rename" in current.actions:
            p.sampler_name = "Renamed"

    def post_sample(self, p, ps, file, actions):
        if torch.is_tensor(ps.samples):  # a hires pass has images here
            note("final", ps.samples)

    def postprocess(self, p, processed, file, actions):
        # the API omits these; for scripts that return their own result, it has only the job's parameters
        told = {"comments": processed.comments, "log": "".join(current.log), "copied": current.copied}
        told["opened"] = current.opened
        processed.extra_generation_params = {**processed.extra_generation_params, **told}
        p.extra_generation_params.update(copied=Unseen(current.copied), log=Unseen(current.log))
        if current.record is not None:
            numpy.savez(file, **{key: numpy.stack(values) for key, values in current.record.items()})
        current.record, current.actions = None, ()


class InnerJob(scripts.Script):
    """Builds and runs an inner job with its own choice of scripts, as detailers do."""

    def title(self):
        return "Probe inner job"

    def ui(self, is_img2img):
        return []

    def run(self, p):
        inner = processing.StableDiffusionProcessingTxt2Img(
            sd_model=shared.sd_model,
            prompt=p.prompt,
            seed=p.seed,
            steps=p.steps,
            width=p.width,
            height=p.height,
            cfg_scale=p.cfg_scale,
            sampler_name=p.sampler_name,
            do_not_save_samples=True,
            do_not_save_grid=True,
        )
        inner.scripts, inner.script_args = scripts.ScriptRunner(), ()  # no scripts, not even TCD's
        with closing(inner):
            return processing.process_images(inner)
