"""Jobs with popular extensions: their features and TCD's gamma have an effect, and the next job is not affected.

AnimateDiff and ControlNet accept only models of full width, which are too slow for tests. The tests use copies of these
extensions that have the small checkpoints' widths instead.
"""

import json
import subprocess
import time
from dataclasses import dataclass, field
from itertools import product

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from . import controlnet_models
from .checkpoint_layers import UNET_WIDTH
from .compare import ALONE, SAME, difference, gamma, log
from .controlnet import MODES, with_unit, write_adapter
from .extension_copies import copy_extension, replace
from .jobs import CHEAP, DEFAULTS, OPTION, Jobs, Result, make_image, mask
from .selection import find_extension, long, needs

INCANTATIONS, ADETAILER = "sd-webui-incantations", "adetailer"
TILED = "multidiffusion-upscaler-for-automatic1111"
CONTROLNET, SCHEDULER, ANIMATEDIFF = "sd-webui-controlnet", "sd-webui-agent-scheduler", "sd-webui-animatediff"
DYNAMIC, UPSCALE = "sd-dynamic-prompts", "ultimate-upscale-for-automatic1111"
DAEMON, THRESHOLDING = "sd-webui-detail-daemon", "sd-dynamic-thresholding"
NEGPIP, REGIONAL = "sd-webui-negpip", "sd-webui-regional-prompter"
COUPLE, NEUTRAL = "latent-couple", "sd-webui-neutral-prompt"

GROUPS = [
    [INCANTATIONS, ADETAILER, TILED],
    [CONTROLNET, DYNAMIC, UPSCALE, DAEMON, THRESHOLDING, NEGPIP, SCHEDULER, REGIONAL],
    [ANIMATEDIFF, COUPLE],
    [NEUTRAL],
]
"""The extensions of each WebUI. Some need the negative prompt in all jobs, which would hide what others need."""

DYNAMIC_SETTINGS = {
    "dp_ignore_whitespace": False,
    "dp_write_raw_template": False,
    "dp_write_prompts_to_file": False,
    "dp_parser_variant_start": "{",
    "dp_parser_variant_end": "}",
    "dp_parser_wildcard_wrap": "__",
    "dp_limit_jinja_prompts": False,
    "dp_auto_purge_cache": False,
    "dp_wildcard_manager_no_dedupe": False,
    "dp_wildcard_manager_no_sort": False,
    "dp_wildcard_manager_shuffle": False,
    "dp_magicprompt_default_model": "",
    "dp_magicprompt_batch_size": 1,
}
"""Settings of Dynamic Prompts, which registers them too late for the first start."""

DETECTOR, MODULE, ADAPTER = "random_yolo.pt", "random.safetensors", "t2i"
"""Models with random weights for ADetailer, AnimateDiff and ControlNet."""


WIDTHS = [32, 64, 64]
"""The widths of the blocks in tiny-sdxl's UNet."""


@dataclass(frozen=True)
class Case:
    """A job that uses a feature of an extension."""

    name: str
    extension: str
    script: str = ""
    """The title of the extension's script, or its beginning."""

    given: dict | list = field(default_factory=dict)
    """All of the script's arguments, or those that differ from the defaults, by label.

    If several arguments have the same label, (label, n) is the one after the first n of them.
    """

    fields: dict = field(default_factory=dict)
    """The job's fields."""

    without: dict = field(default_factory=dict)
    """Changed fields of the job without the feature, for comparison. It has no arguments for the script."""

    prompt_alone: bool = False
    """Whether only the prompt is evaluated."""

    has_effect: bool = True


TILES = {"Tiled Diffusion": True, "Latent tile width": 16, "Latent tile height": 16, "Latent tile overlap": 8}
WINDOWS = {"DemoFusion": True, "Latent window size": 16, "Latent window overlap": 8, "Random Jitter": False}
DETAIL = [True, False, {"ad_model": DETECTOR, "ad_confidence": 0.0, "ad_mask_k": 1}]
FRAMES = {"model": MODULE, "enable": True, "video_length": 4, "batch_size": 4, "format": ["PNG", "Frame"]}
DAEMON_ON = {"Detail Daemon": True, "Active": True, "Amount": 1.0}
MIMIC = {"Enable Dynamic Thresholding (CFG Scale Fix)": True, "Mimic CFG Scale": 2}
REGIONS = {"Regional Prompter": True}
LATENT_REGIONS = {**REGIONS, "Generation Mode": "Latent"}
REDRAW = {
    **{"Tile width": 64, "Tile height": 64, "Padding": 16, "Upscaler": 0, "Type": 0, ("Type", 1): 0},
    **{"Target size type": 2, "Scale": 2},
}

LARGE = {"width": 192, "height": 192}
TWO = {"prompt": "a red house BREAK a blue ship"}
SD15 = {"override_settings": {"sd_model_checkpoint": "small-sd15.safetensors"}}
APART = {"override_settings": {"return_grid": False}}
UNIT = with_unit(model=ADAPTER)["scripts"]["ControlNet"]["args"]
SMALL = {"init_images": [make_image(64)]}

CONTROLLED = {**CHEAP, "override_settings": {"sd_model_checkpoint": f"{controlnet_models.CHECKPOINT}.safetensors"}}
CANNY = {"model": controlnet_models.CANNY, "module": "canny", "image": mask()}
DEPTH = {"model": controlnet_models.DEPTH}
IP_ADAPTER = {
    "model": controlnet_models.IP_ADAPTER,
    "module": "ip-adapter-auto",
    "image": None,
    "ipadapter_input": controlnet_models.make_encoded_image(),
}


def control_case(name, *units, prompt_alone=True):
    """Returns a case with ControlNet units, on the checkpoint that the models fit."""
    arguments = [with_unit(**unit)["scripts"]["ControlNet"]["args"][0] for unit in units]
    return Case(name, CONTROLNET, "ControlNet", arguments, CONTROLLED, prompt_alone=prompt_alone)


CASES = [
    Case("SEG", INCANTATIONS, "Incantations", {"Active": True}, has_effect=False),
    Case("SEG, batch", INCANTATIONS, "Incantations", {"Active": True}, {"batch_size": 2, **APART}, has_effect=False),
    Case("DemoFusion", TILED, "DemoFusion", WINDOWS),
    Case("ADetailer", ADETAILER, "ADetailer", DETAIL, prompt_alone=True),
]
LONG_CASES = [
    Case("PAG", INCANTATIONS, "Incantations", {("Active", 2): True, "PAG Scale": 3}),
    Case("T2I-Zero", INCANTATIONS, "Incantations", {("Active", 3): True}),
    Case("MultiDiffusion", TILED, "Tiled Diffusion", TILES, LARGE),
    Case("Mixture of Diffusers", TILED, "Tiled Diffusion", {**TILES, "Method": "Mixture of Diffusers"}, LARGE),
    Case("T2I-Adapter", CONTROLNET, "ControlNet", UNIT, SD15, prompt_alone=True),
    *(control_case(f"ControlNet canny, {mode}", {**CANNY, "control_mode": mode}) for mode in MODES),
    control_case("ControlNet depth", DEPTH),
    control_case("ControlNet canny and depth", CANNY, DEPTH),
    control_case("IP-Adapter", IP_ADAPTER, prompt_alone=False),
    Case(
        "Dynamic Prompts", DYNAMIC, "", {}, {"prompt": "a {green|blue} ship"}, {"prompt": "a ship"}, prompt_alone=True
    ),
    Case("Ultimate SD Upscale", UPSCALE, "Ultimate SD upscale", REDRAW, SMALL, prompt_alone=True),
    Case("Detail Daemon", DAEMON, "Detail Daemon", DAEMON_ON, prompt_alone=True),
    Case("Dynamic Thresholding", THRESHOLDING, "Dynamic Thresholding", MIMIC, {"cfg_scale": 7}),
    Case("NegPiP", NEGPIP, "NegPiP", [True], {"prompt": "a red house, (blue:-1)"}),
    Case("Regional Prompter", REGIONAL, "Regional Prompter", REGIONS, TWO),
    Case("Regional Prompter, latent", REGIONAL, "Regional Prompter", LATENT_REGIONS, TWO),
    Case("AnimateDiff", ANIMATEDIFF, "AnimateDiff", [FRAMES], {**APART, "steps": 3}, {"batch_size": 4}),
    Case("Latent Couple", COUPLE, "Latent Couple", {"Enabled": True}, {"prompt": "a house AND a ship AND a tree"}),
    Case("AND_PERP", NEUTRAL, "", {}, {"prompt": "a house AND_PERP a ship :0.5"}, {"prompt": "a house"}),
]


def parameters(cases, **kwargs):
    return [pytest.param(find_group(case.extension), case, id=case.name, **kwargs) for case in cases]


def find_group(extension):
    return next(i for i, group in enumerate(GROUPS) if extension in group)


in_every_case = pytest.mark.parametrize(
    ("webui", "case"), [*parameters(CASES), *parameters(LONG_CASES, marks=long)], indirect=["webui"], scope="module"
)


def for_extension(extension):
    """Runs a test in the WebUI that has the extension."""
    return pytest.mark.parametrize(
        "webui", [pytest.param(find_group(extension), id=extension)], indirect=True, scope="module"
    )


@pytest.fixture(scope="module")
def webui(request, start_webui, tmp_path_factory):
    """A WebUI with the installed extensions of a group."""
    folder = tmp_path_factory.mktemp("extensions")
    names = [name for name in GROUPS[request.param] if is_installed(request, name)]
    needs(names, ", ".join(GROUPS[request.param]))
    extensions = [copy_small(find_extension(request, name), folder) for name in names]
    webui = start_webui(*extensions, flags=find_flags(names, folder), **DYNAMIC_SETTINGS)
    webui.environment.update({"YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(folder)})
    (webui.data / "ui-config.json").write_text(
        "{}", encoding="utf-8"
    )  # NegPiP reads this file before the WebUI has written it
    make_models(webui, names)
    with webui:
        webui.extensions, webui.start_log = names, webui.log()
        yield webui


def is_installed(request, name):
    try:
        return find_extension(request, name)
    except pytest.skip.Exception:
        return None


def copy_small(extension, folder):
    """Copies an extension, because some write into their folders. Some copies get the small UNets' widths."""
    copy = copy_extension(extension, folder)
    if extension.name == ANIMATEDIFF:
        replace(copy / "motion_module.py", ("(320, 640, 1280) if", f"{WIDTHS} if"))
        write_motion_module(copy / "model" / MODULE)
    if extension.name == CONTROLNET:
        full, width = (f"'model_channels': {n}," for n in (UNET_WIDTH, controlnet_models.UNET.widths[0]))
        replace(copy / "scripts" / "controlnet_model_guess.py", (full, width))
    return copy


def find_flags(names, folder):
    """Returns flags that keep extensions from writing elsewhere and from downloading."""
    flags = []
    if ADETAILER in names:
        flags.append("--ad-no-huggingface")
    if SCHEDULER in names:
        flags += ["--agent-scheduler-sqlite-file", str(folder / "tasks.sqlite3")]
    return flags


def make_models(webui, names):
    if CONTROLNET in names:
        write_adapter(webui.data / "models" / "ControlNet" / f"{ADAPTER}.safetensors")
        controlnet_models.write_models(webui.data / "models" / "ControlNet")
        controlnet_models.write_checkpoint(webui.data / "models" / "Stable-diffusion")
    if ADETAILER in names:
        file = webui.data / "models" / "adetailer" / DETECTOR
        file.parent.mkdir(exist_ok=True)
        code = f"import torch, ultralytics; torch.manual_seed(0); ultralytics.YOLO('yolov8n.yaml').save({str(file)!r})"
        subprocess.run([webui.python, "-c", code], env=webui.environment, check=True, cwd=file.parent)


def write_motion_module(file):
    """Writes AnimateDiff's module for SDXL: random weights, and the positions by which it recognizes the type."""
    weights = {}
    torch.manual_seed(0)

    def add(name, rows, columns=None):
        weights[f"{name}.weight"] = torch.ones(rows) if columns is None else torch.randn(rows, columns) / columns**0.5
        if not name.endswith(("to_q", "to_k", "to_v")):
            weights[f"{name}.bias"] = torch.zeros(rows)

    for blocks, widths, count in (("down_blocks", WIDTHS, 2), ("up_blocks", WIDTHS[::-1], 3)):
        for (i, width), j in product(enumerate(widths), range(count)):
            outer = f"{blocks}.{i}.motion_modules.{j}.temporal_transformer"
            inner = f"{outer}.transformer_blocks.0"
            for k in (0, 1):
                attention = f"{inner}.attention_blocks.{k}"
                for name in ("to_q", "to_k", "to_v", "to_out.0"):
                    add(f"{attention}.{name}", width, width)
                weights[f"{attention}.pos_encoder.pe"] = torch.randn(1, 32, width)
                add(f"{inner}.norms.{k}", width)
            add(f"{inner}.ff.net.0.proj", 8 * width, width)
            add(f"{inner}.ff.net.2", width, 4 * width)
            add(f"{inner}.ff_norm", width)
            add(f"{outer}.norm", width)
            add(f"{outer}.proj_in", width, width)
            add(f"{outer}.proj_out", width, width)
    save_file(weights, file)


@pytest.fixture
def jobs(webui, tmp_path):
    return Jobs(webui, tmp_path)


@pytest.fixture
def beside(webui, jobs):
    """Runs a case's job."""

    def run(case, *tcd, **settings):
        needs(case.extension in webui.extensions, case.extension)
        fields = {**case.fields, **get_script_fields(webui, case)}
        fields["override_settings"] = {**fields.get("override_settings", {}), **settings}
        return getattr(jobs, get_kind(case))(*tcd, **fields)

    return run


def get_kind(case):
    return "img2img" if "init_images" in case.fields else "txt2img"


def get_script_fields(webui, case):
    """Returns the fields of a job that contain the arguments of a case's script."""
    if not case.script:
        return {}
    if isinstance(case.given, list):
        return {"scripts": {case.script: {"args": case.given}}}
    needs(webui.describes_scripts, "description of scripts")
    [info] = [
        info
        for info in webui.get("/sdapi/v1/script-info")
        if info["name"].startswith(case.script.lower()) and info["is_img2img"] == (get_kind(case) == "img2img")
    ]
    arguments = fill_in(info["args"], case.given)
    if info["is_alwayson"]:
        return {"scripts": {info["name"]: {"args": arguments}}}
    return {"script_name": info["name"], "script_args": arguments}


def fill_in(described, given):
    """Returns all arguments of a script: the given ones, and the defaults of the others."""
    arguments = [argument["value"] for argument in described]
    for label, value in given.items():
        label, skipped = label if isinstance(label, tuple) else (label, 0)
        places = [i for i, argument in enumerate(described) if argument["label"] == label]
        arguments[places[skipped]] = value
    return arguments


def largest_difference(one, other):
    """Returns the largest difference, from 0 to 255, of two jobs' images. A job may have images of several sizes."""
    pairs = [[Result([image], {}, None) for image in pair] for pair in zip(one.images, other.images)]
    return max(difference(*pair) if pair[0].pixels.shape == pair[1].pixels.shape else 255 for pair in pairs)


@pytest.mark.parametrize(
    "webui",
    [pytest.param(i, id=f"group {i}", marks=[long] * (i > 0)) for i in range(len(GROUPS))],
    indirect=True,
    scope="module",
)
def test_extensions_start_without_errors(webui):
    for complaint in ("Traceback", "*** Error"):
        assert complaint not in webui.start_log


@in_every_case
def test_skipping_the_negative_prompt_changes_nothing(jobs, beside, option, case):
    one, other = (beside(case, 0.8, **{OPTION: on}) for on in (True, False))
    assert (set("".join(log(one)).split(".")) == {ALONE.strip("."), ""}) == case.prompt_alone, log(one)
    assert largest_difference(one, other) <= SAME
    without = getattr(jobs, get_kind(case))(0.8, **{**case.fields, **case.without})
    assert (largest_difference(one, without) > SAME) == case.has_effect


@in_every_case
def test_gamma_has_an_effect(beside, case):
    high, low = beside(case, 0.8), beside(case, 0.3)
    assert (gamma(high), gamma(low)) == (0.8, 0.3)
    assert largest_difference(high, low) > SAME  # it would be 0 if gamma were ignored


@in_every_case
def test_the_next_job_is_not_affected(jobs, beside, case):
    plain = {"override_settings": case.fields.get("override_settings", {})}  # on the case's checkpoint
    before = jobs.txt2img(0.8, **plain)
    beside(case, 0.3)
    assert difference(jobs.txt2img(0.8, **plain), before) == 0


@for_extension(ADETAILER)
def test_an_inner_pass_uses_the_jobs_gamma(beside):
    [case] = [case for case in CASES if case.extension == ADETAILER]
    by_setting = beside(case, tcd_default_gamma=0.8)
    assert difference(beside(case, 0.8), by_setting) == 0
    assert gamma(by_setting) == 0.8


# Agent Scheduler, which has its own API


@pytest.fixture
def queue(webui):
    """Queues a job and waits for its end."""
    needs(SCHEDULER in webui.extensions, SCHEDULER)

    def queue(*tcd, **fields):
        job = {"alwayson_scripts": {"TCD": {"args": list(tcd)}}, **fields}
        status, answer = webui.post("/agent-scheduler/v1/queue/txt2img", job)
        assert status == 200, answer
        limit = time.monotonic() + 300
        while time.monotonic() < limit:
            task = webui.get(f"/agent-scheduler/v1/task/{answer['task_id']}")["data"]
            if task["status"] not in ("pending", "running"):
                return task
            time.sleep(1)
            webui.post("/agent-scheduler/v1/queue/resume", {})  # it misses a task that is queued just after another
        raise TimeoutError(task)

    return queue


@long
@for_extension(SCHEDULER)
def test_a_queued_job(jobs, queue):
    before = jobs.txt2img(0.8)
    task = queue(0.8, **DEFAULTS)
    assert task["status"] == "done", task
    result = json.loads(task["result"])
    [image] = result["images"]
    queued = Result([Image.open(image)], result["geninfo"], None)
    assert gamma(queued) == 0.8
    assert difference(queued, before) == 0
    assert difference(jobs.txt2img(0.8), before) == 0


@long
@for_extension(SCHEDULER)
def test_a_queued_job_that_spells_out_every_default(queue):
    """The scheduler sends the defaults of the fields that a request leaves out. They override a preset."""
    task = queue(None, None, "TCD, 4 steps", prompt="a house", width=64, height=64, steps=2)
    result = json.loads(task["result"])
    said = result["geninfo"]["extra_generation_params"]["TCD warnings"]
    assert any("TCD, 4 steps" in sentence for sentence in said)
