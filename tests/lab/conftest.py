"""A miniature trained for one step with batches of one, which replaces the bundled one. Its tests are slow."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.miniature import CHECKPOINT, LORAS
from tcd_sampler.lab.training.command import SMOKE, Plan, train
from tests.support.pipelines import make_sd15, make_sdxl

BATCH = 1
PLAN = replace(SMOKE, vae=1, scenes=8, unet=1, tcd=1, lcm=1, classifier=1)


@dataclass(frozen=True)
class Trained:
    """The folders that the training wrote: state and logs, and the output files that would be shipped."""

    folder: Path
    output: Path
    plan: Plan

    @property
    def checkpoint(self):
        return self.output / CHECKPOINT.name

    @property
    def loras(self):
        return {name: self.output / path.name for name, path in LORAS.items()}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "trained" in item.fixturenames:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    trained = Trained(tmp_path_factory.mktemp("training"), tmp_path_factory.mktemp("files"), PLAN)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("distillation", "classifier", "latents", "unet", "vae"):
            patch.setattr(f"tcd_sampler.lab.training.{name}.BATCH", BATCH)
        train(trained.plan, trained.folder, trained.output)
    return trained


@pytest.fixture(scope="session")
def loaded(trained):
    return load_miniature(trained.checkpoint, trained.loras)


@pytest.fixture
def model(loaded):
    """The model that all tests share. Load another one to change its weights."""
    loaded.use_lora(None)
    return loaded


@pytest.fixture(params=[make_sd15, make_sdxl], ids=["SD 1.5", "SDXL"])
def checkpoint(request, tmp_path):
    """A tiny checkpoint: its file, the folder with its configuration, and its diffusers pipeline."""
    torch.manual_seed(0)
    pipeline, tensors = request.param()
    pipeline.save_pretrained(tmp_path / "config")
    save_file(tensors, tmp_path / "model.safetensors")
    half = pipeline.to(torch.float16).to(torch.float32)
    half.set_progress_bar_config(disable=True)
    return tmp_path / "model.safetensors", str(tmp_path / "config"), half
