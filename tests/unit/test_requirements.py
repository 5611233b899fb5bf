"""find_missing names what a WebUI lacks. tests/webui/test_reload.py starts a WebUI that lacks something."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tcd_sampler.webui.compat.requirements import NO_SCHEDULES, REQUIRED, SCHEDULES, find_missing

NAMES = [(module, name) for module, names in REQUIRED.items() for name in names]


@pytest.fixture(params=[SCHEDULES, NO_SCHEDULES], ids=["a list of schedules", "none"])
def modules(request, monkeypatch):
    """Fake modules of a WebUI, with only the required names."""
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


GUARDED = {
    "sd_schedulers.set_schedulers_aliases": "of ersatzForge",
    "sd_samplers.get_sampler_and_scheduler": "asked for with hasattr",
    "script_callbacks.callback_map": "of hosts with a denoiser that is known",
    "sd_unet.current_unet": "of hosts with a denoiser that is known",
    "shared.sd_model": "of every host, once a job runs",
}
"""Names that are used but not required, and the reasons."""


def find_used(path: Path) -> Iterator[str]:
    """Yields the names in the host's modules that a file uses, as module.name.name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "modules":
            _, *parents = node.module.split(".")
            for alias in node.names:
                names[alias.asname or alias.name] = ".".join([*parents, alias.name])
    yield from (name for name in names.values() if "." in name)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            root, _, rest = ast.unparse(node).partition(".")
            if root in names and re.fullmatch(r"[\w.]+", rest):
                yield f"{names[root]}.{rest}"


def is_covered(used: str, known: set[str]) -> bool:
    return any(f"{used}.".startswith(f"{name}.") or f"{name}.".startswith(f"{used}.") for name in known)


def test_used_names_are_required_or_guarded():
    webui = Path(__file__).parents[2] / "tcd_sampler" / "webui"
    used = {name for path in webui.rglob("*.py") for name in find_used(path)}
    assert len(used) > 30
    lists = [*REQUIRED.items(), *SCHEDULES.items(), *NO_SCHEDULES.items()]
    known = {f"{module}.{name}" for module, names in lists for name in names} | GUARDED.keys()
    assert sorted(name for name in used if not is_covered(name, known)) == []
    assert sorted(name for name in known if not any(is_covered(one, {name}) for one in used)) == []
