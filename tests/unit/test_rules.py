"""What may import what, who may look at what a host has, and that what looks does not write: by the source alone."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAB = "tcd_sampler.lab"
WEBUI = "tcd_sampler.webui"
COMPAT = "tcd_sampler.webui.compat"

LABS_OWN = ["diffusers", "k_diffusion", "transformers", "peft", "matplotlib", "numpy", LAB]
"""Imported in the lab alone: no WebUI need have them."""

MAY_IMPORT = {"tcd_sampler.__main__": [LAB]}
"""What a module may import of these all the same."""

MAY_ASK = {
    "tcd_sampler.schedule": {"hasattr(model, 'sigmas')", "hasattr(model, 'inner_model')"},  # of any k-diffusion
}
"""What asks an object that is no host's, outside compat: expressions, by their module."""

MAY_SEEM_TO_WRITE = {"tcd_sampler.webui.compat.guidance": {"get_hash"}}  # of a function's source, not of a file
"""Functions that only read, whatever the check below makes of them: names, by their module."""

WRITES = re.compile(
    r"\.(write_\w+|unlink|touch|mkdir)$|^os\.(replace|rename|link|remove)$|\bsave_file$|\bhashlib\.\w+$|\bhashes\.sha256$"
)
"""Calls that write a file, or read all of one."""


@dataclass(frozen=True)
class Module:
    path: Path

    @property
    def file(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        return self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return [*ast.walk(ast.parse(self.path.read_text(encoding="utf-8")))]

    @cached_property
    def imports(self) -> set[str]:
        """Modules, or names in them; wherever the imports stand."""
        return {name for node in self.nodes for name in self.find_imported(node)}

    def find_imported(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = self.resolve(node.module or "", node.level)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))

    def resolve(self, name: str, level: int) -> str:
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        parents = package.split(".")[: len(package.split(".")) - level + 1] if level else []
        return ".".join([*parents, *filter(None, [name])])

    @cached_property
    def functions(self) -> dict[str, ast.AST]:
        return {node.name: node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def is_in(name: str, *packages: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def list_lines(found: list[str]) -> str:
    """All of it, which pytest would shorten."""
    return "\n".join(["", *sorted(found)])


def list_modules(folder: str) -> list[Module]:
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]


SOURCES = {module.name: module for module in list_modules("tcd_sampler")}
EVERYWHERE = [*SOURCES.values(), *list_modules("scripts"), Module(ROOT / "install.py")]


def test_there_is_something_to_look_at():
    assert len(SOURCES) > 40
    imports = set().union(*(module.imports for module in SOURCES.values()))
    assert {"modules.shared", "tcd_sampler.messages", f"{LAB}.command.main"} <= imports
    assert any(is_in(name, "diffusers") for name in imports)


def test_what_the_lab_needs_is_imported_there_alone():
    found = [
        f"{module.file}: {name}"
        for module in EVERYWHERE
        if not is_in(module.name, LAB)
        for name in module.imports
        if is_in(name, *LABS_OWN) and not is_in(name, *MAY_IMPORT.get(module.name, []))
    ]
    assert not found, list_lines(found)


def test_a_webui_is_imported_in_webui_alone():
    found = [
        f"{module.file}: {name}"
        for module in SOURCES.values()
        if not is_in(module.name, WEBUI)
        for name in module.imports
        if is_in(name, "modules", "modules_forge")
    ]
    assert not found, list_lines(found)


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: {find_module(imported) for imported in module.imports} for name, module in SOURCES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def find_module(imported: str) -> str:
    """What has the name, unless it is a module itself."""
    return imported if imported in SOURCES else imported.rpartition(".")[0]


def find_questions(module: Module) -> set[str]:
    """The code that asks what an object or an installation has."""
    return {ast.unparse(node) for node in module.nodes if isinstance(node, ast.Call) and is_question(node)}


def is_question(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name == "getattr":
        return len(call.args) == 3
    return name == "hasattr" or name.split(".")[-1] == "find_spec" or name.startswith("inspect.")


def test_only_compat_checks_what_a_host_has():
    found = [
        f"{module.file}: {question}"
        for module in SOURCES.values()
        if not is_in(module.name, COMPAT, LAB)
        for question in find_questions(module) - MAY_ASK.get(module.name, set())
    ]
    assert not found, list_lines(found)


def test_what_may_ask_does():
    for name, questions in MAY_ASK.items():
        assert questions - find_questions(SOURCES[name]) == set()


def find_writing(module: Module) -> set[str]:
    """The module's functions that write, or call one of its own that does."""
    calls = {
        name: [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        for name, function in module.functions.items()
    }
    writing = {name for name, made in calls.items() if any(map(is_writing, made))}
    while more := {
        name
        for name in calls.keys() - writing
        if {ast.unparse(call.func).removeprefix("self.") for call in calls[name]} & writing
    }:
        writing |= more
    return writing


def is_writing(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name == "open" or name.endswith(".open"):
        modes = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        return any(
            isinstance(mode, ast.Constant) and re.fullmatch("[rwaxbt+]*[wax+][bt+]*", str(mode.value)) for mode in modes
        )
    return bool(WRITES.search(name))


def test_what_is_called_reading_does_not_write_or_hash():
    found = [
        f"{module.file}: {name}"
        for module in SOURCES.values()
        for name in find_writing(module)
        if re.match("_?(find|get|read)_", name) and name not in MAY_SEEM_TO_WRITE.get(module.name, ())
    ]
    assert not found, list_lines(found)


def test_text_files_have_an_encoding():
    """Without one, Windows uses its own."""
    found = [
        f"{module.file}: {ast.unparse(call)}"
        for module in [*EVERYWHERE, *list_modules("tests")]
        for call in module.nodes
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("read_text", "write_text")
        and "encoding" not in {keyword.arg for keyword in call.keywords}
    ]
    assert not found, list_lines(found)


def test_tests_do_not_import_from_other_tests():
    """What several need is in tests/support, or in a fixture."""
    found = [
        f"{module.file}: {name}"
        for module in list_modules("tests")
        for name in module.imports
        if any(re.match("test_|conftest$", part) for part in name.split("."))
    ]
    assert not found, list_lines(found)
