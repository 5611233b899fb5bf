"""A WebUI that lacks something is told so by name. (tests/host has one that does.)"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from tcd_sampler.webui.requirements import NO_SCHEDULES, REQUIRED, SCHEDULES, find_missing

NAMES = [(module, name) for module, names in REQUIRED.items() for name in names]


@pytest.fixture(params=[SCHEDULES, NO_SCHEDULES], ids=["a list of schedules", "none"])
def modules(request, monkeypatch):
    """A WebUI's modules, with nothing but the names that are required."""
    package = ModuleType("modules")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "modules", package)
    found = {}
    for module_name, names in [*REQUIRED.items(), *request.param.items()]:
        module = found.setdefault(module_name, ModuleType(f"modules.{module_name}"))
        module.__spec__ = ModuleSpec(module.__name__, None)
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


def test_the_schedules_are_missing(modules):
    [(module, names)] = (SCHEDULES if "sd_schedulers" in modules else NO_SCHEDULES).items()
    take(modules[module], names[-1])
    assert find_missing() == f"modules.{module}.{names[-1]}"


def test_the_amd_forks_onnx_mode(modules):
    modules["shared"].opts.onnx_enable = True
    assert find_missing() == "k-diffusion samplers while its setting onnx_enable is on"
