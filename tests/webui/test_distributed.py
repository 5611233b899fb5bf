"""stable-diffusion-webui-distributed shares batches between two WebUIs: images equal those of one WebUI alone."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest

from .compare import SAME
from .jobs import NOTHING, Jobs
from .selection import THIS, find_extension, long, needs
from .webui import WebUI

NAME = "stable-diffusion-webui-distributed"
CHEAP = {"width": 64, "height": 64, "steps": 3, "batch_size": 2}
LEFT_OUT = dict.fromkeys(("sampler_name", "steps", "cfg_scale"), NOTHING)
HIRES = {"enable_hr": True, "hr_scale": 1, "denoising_strength": 0.6}
MASTERS, WORKERS = 0.2, 0.9  # their default gammas in the settings
SETTINGS = {"sd_model_checkpoint": "small-sd15.safetensors"}  # every WebUI accepts it
IDLE, DISABLED = 1, 5  # the extension's numbers for a worker's states

FOLDERS = {
    "as cloned": ("sd-webui-tcd", NAME),
    "ours last": ("zzz-tcd", NAME),
    "theirs first": ("sd-webui-tcd", "aaa-distributed"),
}
"""Folder names of this extension and the other one. WebUIs load extensions in the order of these names."""

HIRES_PROMPT = re.compile("in get_hr_(?:negative_)?prompt\n")
"""Matches a traceback of the master with any sampler: it has no hires prompts for the worker's images."""


@pytest.fixture(scope="module")
def worker(request, start_webui):
    find_extension(request, NAME)  # skips the tests before the worker starts
    with start_webui(folder=request.config.getoption("--worker"), tcd_default_gamma=WORKERS, **SETTINGS) as worker:
        yield worker


@dataclass
class Master:
    """A WebUI with the other extension, and its worker."""

    webui: WebUI
    worker: WebUI
    folder: Path  # the other extension's
    jobs: Jobs

    def both(self, *tcd, **fields):
        """Runs a job shared and alone, asserts that both agree, and returns the shared result."""
        shared, alone = (self.run(on, *tcd, **fields) for on in (True, False))
        assert len(shared.images) == len(alone.images)
        assert max(difference(*pair) for pair in zip(shared.images, alone.images)) <= SAME
        assert normalize(shared) == normalize(alone)
        return shared

    def run(self, is_shared, *tcd, **fields):
        self.set_worker(IDLE if is_shared else DISABLED)
        logs = [self.webui.log, self.worker.log, (self.folder / "distributed.log").read_text]
        starts = [len(log()) for log in logs]
        result = self.jobs.txt2img(*tcd, **{**CHEAP, **fields})
        *webuis, own = [log()[start:] for log, start in zip(logs, starts)]
        assert [log.count("Traceback") for log in webuis] == [len(HIRES_PROMPT.findall(log)) for log in webuis]
        assert bool(re.search(r"'worker' - [1-9]", own)) == is_shared
        return result

    def needs_hires(self):
        """Skips the test if the worker requires a field that the extension does not send."""
        required = "hr_additional_modules" in self.worker.fields
        needs(not required, "worker for hires fix: requests to Forge must name modules")

    def set_worker(self, state):
        """The extension reads its configuration before each job."""
        file = self.folder / "distributed-config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        [worker] = [named["worker"] for named in config["workers"] if "worker" in named]
        worker["state"] = state
        file.write_text(json.dumps(config), encoding="utf-8")


def difference(one, other):
    """Returns the largest difference of two images' pixels, from 0 to 255."""
    return abs(numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)).max()


def normalize(result):
    """Returns the infotexts with each number in its shortest form, and without entries that differ between machines."""
    differing = r"(?<=\d)\.0(?=,)|, Version: [^,]+|, Worker Label: worker$"
    return [re.sub(differing, "", text) for text in result.info["infotexts"]]


def gammas(result, key="TCD gamma"):
    """Returns the gamma in each infotext."""
    return [float(found) for text in result.info["infotexts"] for found in re.findall(rf"\b{key}: ([\d.]+)", text)]


def make_config(port):
    """Returns what the extension saves after a benchmark, with a worker as fast as the master."""
    master = {"avg_ipm": 60, "master": True, "port": 1}
    worker = {"avg_ipm": 60, "address": "127.0.0.1", "port": port}
    rest = {"benchmark_payload": {}, "job_timeout": 10_000, "complement_production": False}
    return {"workers": [{"master": master}, {"worker": worker}], **rest}


@pytest.fixture(scope="module", params=["as cloned", *(pytest.param(name, marks=long) for name in [*FOLDERS][1:])])
def master(request, start_webui, worker, tmp_path_factory):
    ours, theirs = FOLDERS[request.param]
    folder = tmp_path_factory.mktemp("extensions") / theirs  # a copy, since the extension writes into its folder
    shutil.copytree(find_extension(request, NAME), folder, ignore=shutil.ignore_patterns(".git", "*.log"))
    (folder / "distributed-config.json").write_text(json.dumps(make_config(worker.port)), encoding="utf-8")
    [this] = THIS.values()
    # with a grid, which the API omits, the extension would miscount the images
    changed = {"tcd_default_gamma": MASTERS, "return_grid": False, **SETTINGS}
    with start_webui(folder, this={ours: this}, **changed) as webui:
        yield Master(webui, worker, folder, Jobs(webui, tmp_path_factory.mktemp("records")))


def test_the_images_depend_on_gamma(master):
    """Otherwise the other tests would prove nothing."""
    one, other = (master.run(False, gamma) for gamma in (MASTERS, WORKERS))
    assert min(difference(*pair) for pair in zip(one.images, other.images)) > 5 * SAME


@pytest.mark.parametrize(
    ("arguments", "fields", "gamma"),
    [
        ((0.7,), {}, 0.7),
        ((0.7,), {"n_iter": 2}, 0.7),
        ((0.7,), {"batch_size": 4, "n_iter": 2}, 0.7),
        ((), {}, MASTERS),
        ((), {"override_settings": {"tcd_default_gamma": 0.6}}, 0.6),
        ((), {"eta": 0.5}, 0.5),
        ((None, None, "TCD, 4 steps"), LEFT_OUT, 0.3),
        ((0.7, None, "TCD, 4 steps"), {**LEFT_OUT, "n_iter": 2}, 0.7),
        ((None, None, "Hyper-SD unified, 4 steps"), LEFT_OUT, 1),
    ],
)
def test_gamma(master, arguments, fields, gamma):
    result = master.both(*arguments, **fields)
    images = fields.get("batch_size", 2) * fields.get("n_iter", 1)
    assert gammas(result) == [gamma] * images
    assert sum("Worker Label" in text for text in result.info["infotexts"]) == images // 2


@pytest.mark.parametrize(
    ("arguments", "hires"), [((0.7, "same"), []), ((0.7, 0.4), [0.4] * 2), ((0.7, "0.4"), [0.4] * 2)]
)
def test_hires(master, arguments, hires):
    master.needs_hires()
    result = master.both(*arguments, **HIRES)
    assert gammas(result) == [0.7] * 2
    assert gammas(result, "TCD hires gamma") == hires


def test_a_preset_beside_another_sampler(master):
    result = master.both(None, None, "TCD, 4 steps", **{**LEFT_OUT, "sampler_name": "Euler a"})
    assert ["Steps: 4, Sampler: Euler a" in text for text in result.info["infotexts"]] == [True] * 2
    assert gammas(result) == []


@pytest.fixture
def own_preset(master):
    """A preset that only the master's file contains."""
    file = master.webui.data / "tcd-presets.json"
    file.write_text(json.dumps([{"name": "mine", "steps": 3, "cfg_scale": 1.5, "gamma": 0.45}]), encoding="utf-8")
    yield "mine"
    file.unlink()


def test_a_preset_that_the_worker_does_not_know(master, own_preset):
    result = master.both(None, None, own_preset, **LEFT_OUT)
    assert gammas(result) == [0.45] * 2
    assert ["Steps: 3, Sampler: TCD" in text for text in result.info["infotexts"]] == [True] * 2


@pytest.fixture
def grids(master):
    """Makes a grid of each batch, which becomes the plot's cell."""
    for value in (True, False):
        status, _ = master.webui.post("/sdapi/v1/options", {"return_grid": value})
        assert status == 200
        if value:
            yield {"save_images": True}


@pytest.mark.parametrize(
    ("axis", "plots", "fields"),
    [
        ("[TCD] Gamma", ["0.1, 0.9"], {}),
        # after a hires pass, the host leaves functions for the next cell, which the extension cannot send
        ("[TCD] Gamma", ["0.1", "0.9"], HIRES),
        ("[TCD] Hires gamma", ["0.1", "0.9"], HIRES),
    ],
)
def test_plots(master, grids, axis, plots, fields):
    if fields:
        master.needs_hires()
    results = [master.both(0.5, **fields, **master.jobs.plot(axis, values), **grids) for values in plots]
    first, second = [image for result in results for image in result.images[1:]]
    assert first.size in ((2 * 64, 64), (64, 2 * 64))
    assert difference(first, second) > 5 * SAME
