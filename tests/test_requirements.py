"""A WebUI that lacks something is told so by name. (tests/host has one that does.)"""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from tcd_sampler.webui.requirements import REQUIRED, find_missing

NAMES = [(module, name) for module, names in REQUIRED.items() for name in names]


@pytest.fixture
def modules(monkeypatch):
    """A WebUI's modules, with nothing but the names that are required."""
    package = ModuleType("modules")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "modules", package)
    found = {}
    for module_name, names in REQUIRED.items():
        module = found[module_name] = ModuleType(f"modules.{module_name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        for name in names:
            put(module, name)
    return found


def put(module, name):
    *path, last = name.split(".")
    for part in path:
        if not hasattr(module, part):
            setattr(module, part, SimpleNamespace())
        module = getattr(module, part)
    setattr(module, last, object())


def take(module, name):
    *path, last = name.split(".")
    for part in path:
        module = getattr(module, part)
    delattr(module, last)


def test_nothing_is_missing(modules):
    assert find_missing() is None


@pytest.mark.parametrize(("module", "name"), NAMES, ids=map(".".join, NAMES))
def test_a_name_is_missing(modules, module, name):
    take(modules[module], name)
    assert find_missing() == f"modules.{module}.{name}"


@pytest.mark.parametrize("module", REQUIRED)
def test_a_module_is_missing(modules, monkeypatch, module):
    monkeypatch.setitem(sys.modules, f"modules.{module}", None)
    assert find_missing() == f"modules.{module}"


def test_the_amd_forks_onnx_mode(modules):
    modules["shared"].opts.onnx_enable = True
    assert find_missing() == "k-diffusion samplers while its setting onnx_enable is on"
