"""What differs between WebUIs, and between versions of them; the rest of this package asks here.

Nothing asks which WebUI it is, only what it has.
"""

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType, ModuleType, SimpleNamespace
from typing import Any

import gradio
from modules import (
    extra_networks,
    localization,
    paths_internal,
    processing,
    scripts,
    sd_models,
    sd_samplers,
    sd_samplers_kdiffusion,
    shared,
)

from ...loras.checkpoint import read_family
from ...loras.header import DIFFUSERS, PEFT, PROCESSORS, SD1, SD2, SDXL

sd_schedulers = None  # A1111 before 1.9, Forge Classic of early 2025
if find_spec("modules.sd_schedulers"):
    from modules import sd_schedulers  # type: ignore[no-redef]

SAME_SAMPLER = "Use same sampler"
SAME_SCHEDULE = "Use same scheduler"
SAME_CHECKPOINT = "Use same checkpoint"
"""What the hires pass's dropdowns say where it has no sampler, schedule or checkpoint of its own."""

AUTOMATIC = "Automatic"
"""The schedule that is a sampler's own."""


def get_option(key: str, default: Any) -> Any:
    """A setting's value in force, or the default where there is no such setting (yet)."""
    return getattr(shared.opts, key, default)


def get_setting(p: Any, key: str, default: Any) -> Any:
    """The value that a job will run with: its override, which is not in force before it starts, or the setting's."""
    return (getattr(p, "override_settings", None) or {}).get(key, get_option(key, default))


def add_option(key: str, info: Any) -> None:
    """Adds a setting with its default. A1111 1.6 adds no value, and then fails over requests that override it."""
    shared.opts.add_option(key, info)
    shared.opts.data.setdefault(key, info.default)


def remove_option(key: str) -> None:
    """Takes a setting out. Its value stays in the user's settings, for when the extension is there again."""
    shared.opts.data_labels.pop(key, None)


# Schedules: a list to choose from, or a setting for all samplers, whose value "Automatic" is the model's own schedule.


class UnlistedSchedule:
    """A value of that setting, which is called without the model."""

    def __init__(self, label: str, function: Callable[..., Any]) -> None:
        self.name = self.label = label
        self.function = function

    def __call__(self, n: int, sigma_min: float, sigma_max: float, device: Any, **_: Any) -> Any:
        alphas_cumprod = shared.sd_model.alphas_cumprod
        model = SimpleNamespace(sigmas=((1 - alphas_cumprod) / alphas_cumprod) ** 0.5)
        return self.function(n, sigma_min, sigma_max, model, device)


unlisted: list[Any] = []


def make_schedule(name: str, label: str, function: Callable[..., Any]) -> Any:
    """An entry for the host's schedules, whose function is called with the model, for its noise table."""
    if sd_schedulers is None:
        return UnlistedSchedule(label, function)
    return sd_schedulers.Scheduler(name, label, function, need_inner_model=True)


def get_schedules() -> list[Any]:
    """The host's list of schedules, to be changed in place together with get_schedules_map()."""
    return unlisted if sd_schedulers is None else sd_schedulers.schedulers  # type: ignore[no-any-return]


def get_schedules_map() -> dict[str, Any]:
    """The host's schedules by name and by label."""
    if sd_schedulers is None:
        return sd_samplers_kdiffusion.k_diffusion_scheduler  # type: ignore[no-any-return]
    return sd_schedulers.schedulers_map  # type: ignore[no-any-return]


def set_automatic_schedule(denoiser: Any, get_sigmas: Callable[[int], Any]) -> None:
    """Makes a schedule the one that "Automatic" means for this denoiser; with a list, the sampler's options say so."""
    if sd_schedulers is None:
        denoiser.get_sigmas = get_sigmas


def find_unknown_schedule() -> str | None:
    """A schedule that a picture of another WebUI asks for by infotext, and that this one would stumble over."""
    name = get_option("k_sched_type", AUTOMATIC)
    return None if sd_schedulers is not None or name in get_schedules_map() else name


def find_schedule(name: str) -> Any:
    """The entry that a name or label means, in any case and by its aliases; None if there is none."""
    for entry in get_schedules():
        if name.lower() in {
            known.lower() for known in (entry.name, entry.label, *(getattr(entry, "aliases", None) or ()))
        }:
            return entry
    return None


def use_schedule_name(p: Any, hires: bool) -> str | None:
    """Has a pass name its schedule as the host looks it up: some know labels alone, some names and labels.

    Returns a name that the host does not know; the pass then has its sampler's own schedule.
    """
    if sd_schedulers is None:
        return use_setting_name(p)
    field = "hr_scheduler" if hires else "scheduler"
    name = getattr(p, field, None)
    if hires and (not name or name.lower() == SAME_SCHEDULE.lower()):
        name = getattr(p, "scheduler", None)
    entry = find_schedule(name or AUTOMATIC)
    setattr(p, field, entry.label if entry else AUTOMATIC)
    return None if entry else name


def use_setting_name(p: Any) -> str | None:
    """The same, of a job's own value of the setting."""
    own = (p.override_settings or {}).get("k_sched_type")
    if not isinstance(own, str):
        return None
    known = {name.lower(): name for name in get_schedules_map()}
    p.override_settings["k_sched_type"] = known.get(own.lower(), own)
    return None


def drop_automatic_schedule(params: dict[str, Any], sampler: str, label: str) -> None:
    """Pasted, a sampler's own schedule is Automatic, and not a setting that would stay in force for other samplers."""
    if sd_schedulers is None and (params.get("Sampler"), params.get("Schedule type")) == (sampler, label):
        params["Schedule type"] = AUTOMATIC


def forget_resolved_names() -> None:
    """Hosts with a list of schedules cache which sampler and schedule a pair of names means."""
    if hasattr(sd_samplers, "get_sampler_and_scheduler"):
        sd_samplers.get_sampler_and_scheduler.cache_clear()


# Guidance: A1111 evaluates prompts and negative prompts at any CFG scale. Its kin leave out the latter at 1 themselves.

KNOWN_SOURCES = {
    "6d3353de": "CFGDenoiser.forward, a step, in A1111 1.6 and 1.7",
    "59f00e35": "CFGDenoiser.forward in A1111 1.8",
    "a824eb8d": "CFGDenoiser.forward in A1111 1.9",
    "cd578dd5": "CFGDenoiser.forward in A1111 1.10 and dev, and in the AMD fork",
    "337de74c": "CFGDenoiser.combine_denoised, the guidance, in all of them",
}
"""What denoiser.py relies on, by the beginning of the hash of its source. With other code it does nothing."""


def is_known(function: Callable[..., Any]) -> bool:
    """Whether a function is the host's own and known, and not an extension's in its place, or of a host to come."""
    return get_hash(function) in KNOWN_SOURCES


def get_hash(function: Callable[..., Any]) -> str:
    """Of a function's source; empty where Python can show none."""
    # by its code, since a decorated function passes itself off as what it decorates
    return hash_source(getattr(function, "__code__", None))


@cache
def hash_source(code: CodeType | None) -> str:
    try:
        return hashlib.sha256(inspect.getsource(code).encode()).hexdigest()[:8]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""


def evaluates_uncond_at_cfg_1() -> bool:
    """Whether the host evaluates negative prompts at CFG scale 1, in a way that we know."""
    return is_known(sd_samplers_kdiffusion.CFGDenoiserKDiffusion.forward)


# The X/Y/Z plot: a script of the host's, loaded from a file as every script is, or a package behind one.


def find_xyz_grid() -> ModuleType | None:
    for script in scripts.scripts_data:
        if os.path.basename(script.path) == "xyz_grid.py" and hasattr(script.module, "axis_options"):
            return script.module  # type: ignore[no-any-return]
    return None


def make_axis(grid: ModuleType, *args: Any, txt2img_only: bool = False, **kwargs: Any) -> Any:
    """An axis option; txt2img_only for what img2img has not. What the host's have no place for is left out."""
    kind = grid.AxisOption
    if txt2img_only:
        kinds = (type(option) for option in grid.axis_options if getattr(option, "is_img2img", None) is False)
        kind = next(kinds, kind)
    known = inspect.signature(grid.AxisOption).parameters  # A1111 1.6 has no "prepare"
    return kind(*args, **{name: value for name, value in kwargs.items() if name in known})


# The page


def on_page_load(fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    """Calls fn whenever a browser opens the page that is being built."""
    gradio.context.Context.root_block.load(fn, inputs=inputs, outputs=outputs, show_progress=False, queue=False)


@contextmanager
def placed_after(block: Any) -> Iterator[None]:
    """Puts components after a block that is still being filled. (A1111 1.6 announces components, but no blocks.)"""
    context = gradio.context.Context
    inside, context.block = context.block, block.parent
    try:
        yield
    finally:
        context.block = inside


def make_way_for_localizations(folder: Path) -> None:
    """Where the host takes one file for a language (A1111 1.6), leaves it to another's, which translates all of it."""
    for language, path in localization.localizations.items():
        if isinstance(path, str) and Path(path).parent == folder:
            files = [file.path for file in scripts.list_scripts("localizations", ".json")]
            others = [file for file in files if Path(file).stem == language and Path(file).parent != folder]
            localization.localizations[language] = others[-1] if others else path


def shows_errors(p: Any) -> bool:
    """Whether what a job raises is shown to who asked for it.

    Of the hosts that run the page's jobs in a thread of their own, some lose it there, and show an error of theirs.
    """
    thread = sys.modules.get("modules_forge.main_thread")
    return p.is_api or thread is None or hasattr(thread, "last_exception")


def find_request() -> Any:
    """The API's request that the calling job is made of, or None for one of the page's."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        for name in ("txt2imgreq", "img2imgreq"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    return None


def find_outer_job(p: Any) -> Any:
    """The job that another extension runs a job inside, as ADetailer does for each face; None where there is none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "process_images_inner" and frame.f_locals.get("p", p) is not p:
            return frame.f_locals["p"]
        frame = frame.f_back
    return None


def get_sent_fields(request: Any) -> set[str]:
    """Those that a request brings itself, or by its infotext; the others, and those sent as null, are defaults."""
    sent = request.model_fields_set if hasattr(request, "model_fields_set") else request.__fields_set__
    return {field for field in sent if getattr(request, field, None) is not None}


KEEPS_CALLABLES = "callable" not in processing.create_infotext.__code__.co_names
"""Whether an infotext would show what can be called (A1111 before 1.9); others call it, and show what it returns."""


def has_sampler(name: str) -> bool:
    return sd_samplers.find_sampler_config(name) is not None


# Files: checkpoints, LoRAs, and folders.

DATA = Path(paths_internal.data_path)
"""Where the user's own things are."""


def get_checkpoint(p: Any = None) -> tuple[str, str | None]:
    """The checkpoint that a job will have, or that is chosen, and its base family where it can be told.

    By its file, for some load it with the first job only, and a job's own checkpoint is not loaded when it starts.
    """
    own = (p.override_settings or {}).get("sd_model_checkpoint") if p else None
    try:
        info = (own and sd_models.get_closet_checkpoint_match(own)) or sd_models.select_checkpoint()
    except FileNotFoundError:  # as some hosts say it that there is no checkpoint at all
        info = None
    if info is None:
        return "", None
    return info.name_for_extra, get_family(info.filename) or get_loaded_family()


def get_family(filename: str) -> str | None:
    try:
        status = os.stat(filename)
    except OSError:
        return None
    return read_cached_family(filename, status.st_size, status.st_mtime_ns)


@cache
def read_cached_family(filename: str, *_: Any) -> str | None:
    """A header of thousands of tensors takes longer to read than a job may wait."""
    return read_family(Path(filename))


def get_loaded_family() -> str | None:
    families = {"is_sdxl": SDXL, "is_sd2": SD2, "is_sd1": SD1}
    return next((family for flag, family in families.items() if getattr(shared.sd_model, flag, False)), None)


def get_lora_tags() -> list[str]:
    """What a prompt's LoRAs are called on this host: <lora:...>, and on some <lyco:...> too."""
    aliases = getattr(extra_networks, "extra_network_aliases", {})  # ersatzForge has none
    return [tag for tag in ("lora", "lyco") if tag == "lora" or tag in aliases]


def strips_comments(p: Any = None) -> bool:
    """Whether what stands behind a # in prompts is taken out (A1111 since 1.8)."""
    return bool(get_setting(p, "enable_prompt_comments", False))


def fixes_steps() -> bool:
    """Whether img2img runs all the steps that are asked for; a host without the setting does."""
    return bool(get_option("img2img_fix_steps", True))


def get_hires_cfg_scale(p: Any) -> float:
    """Forge and its kin have one of its own; where it is unset or 0, it is the first pass's."""
    return float(getattr(p, "hr_cfg", None) or getattr(p, "hr_cfg_scale", None) or p.cfg_scale)


def runs_generators() -> bool:
    """Whether a button can show progress: without its queue, Gradio 3 cannot."""
    return not getattr(shared.cmd_opts, "no_gradio_queue", False)


def find_networks() -> Any:
    """The module of the host's LoRA extension; None where that is turned off."""
    networks = sys.modules.get("networks")
    return networks if hasattr(networks, "available_network_aliases") else None


FOREIGN_FORMATS = {PEFT, DIFFUSERS} if find_spec("modules_forge") else {PEFT, DIFFUSERS, PROCESSORS}
"""Of LoRA files: those that the host loads parts of or nothing. Forge and its kin know diffusers' first."""


def get_lora_folder() -> Path:
    return Path(getattr(shared.cmd_opts, "lora_dir", DATA / "models" / "Lora"))


def may_write_files() -> bool:
    """Not for visitors from elsewhere, nor where the host is told to hide its folders or to freeze its settings."""
    is_shared = shared.cmd_opts.disable_extension_access
    return not (is_shared or shared.cmd_opts.hide_ui_dir_config or shared.cmd_opts.freeze_settings)


def read_saved_default(tab: str, label: str) -> Any:
    """A control's value in the user's ui-config.json; None where there is none. The host says what it cannot read."""
    try:
        saved = json.loads(Path(shared.cmd_opts.ui_config_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return saved.get(f"customscript/tcd.py/{tab}/{label}/value") if isinstance(saved, dict) else None


def get_schedule(p: Any, hires: bool) -> str:
    """The schedule type of one of a job's passes, as the page says it."""
    if sd_schedulers is None:
        return str(get_option("k_sched_type", AUTOMATIC))
    own = getattr(p, "scheduler", None) or AUTOMATIC
    name = getattr(p, "hr_scheduler", None) or SAME_SCHEDULE if hires else own
    name = own if name == SAME_SCHEDULE else name
    entry = get_schedules_map().get(name)
    return name if entry is None else str(entry.label)
