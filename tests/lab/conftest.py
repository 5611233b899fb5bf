"""A miniature of two training steps, on which all that is tested here runs as on the shipped one."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tcd_sampler.lab.demo.miniature import load_miniature
from tcd_sampler.lab.miniature import CHECKPOINT, LORAS
from tcd_sampler.lab.training.command import SMOKE, train


@dataclass(frozen=True)
class Trained:
    """What the training wrote: state and logs, and the files that are shipped."""

    folder: Path
    output: Path

    @property
    def checkpoint(self):
        return self.output / CHECKPOINT.name

    @property
    def loras(self):
        return {name: self.output / path.name for name, path in LORAS.items()}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    trained = Trained(tmp_path_factory.mktemp("training"), tmp_path_factory.mktemp("files"))
    train(SMOKE, trained.folder, trained.output)
    return trained


@pytest.fixture
def model(trained):
    return load_miniature(trained.checkpoint, trained.loras)
