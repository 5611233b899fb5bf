"""Checks the source: which modules import what, which check for host features, and which functions write files."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from ..webui.report import COLUMNS

ROOT = Path(__file__).parents[2]
LAB = "tcd_sampler.lab"
WEBUI = "tcd_sampler.webui"
COMPAT = "tcd_sampler.webui.compat"

LABS_OWN = ["diffusers", "k_diffusion", "transformers", "peft", "matplotlib", "numpy", LAB]
"""Packages that only the lab may import. WebUIs need not have them."""

MAY_IMPORT = {"tcd_sampler.__main__": [LAB]}
"""Exceptions by module."""

MAY_ASK = {
    "tcd_sampler.schedule": {"hasattr(model, 'sigmas')", "hasattr(model, 'inner_model')"},  # for any k-diffusion
}
"""Allowed attribute checks outside compat, by module. Their objects do not belong to a host."""

MAY_SEEM_TO_WRITE = {"tcd_sampler.webui.compat.guidance": {"get_hash"}}  # hashes a function's source, not a file
"""Functions, by module, that only read although the check below finds them."""

WRITES = re.compile(
    r"\.(write_\w+|unlink|touch|mkdir)$|^os\.(replace|rename|link|remove)$|\bsave_file$|\bhashlib\.\w+$|\bhashes\.sha256$"
)
"""Calls that write a file, or read a whole file to hash it."""


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
        """The imported modules and names, wherever the import statements are."""
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
    """Returns all findings in one text. pytest would shorten a list."""
    return "\n".join(["", *sorted(found)])


def list_modules(folder: str) -> list[Module]:
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]


SOURCES = {module.name: module for module in list_modules("tcd_sampler")}
EVERYWHERE = [*SOURCES.values(), *list_modules("scripts"), Module(ROOT / "install.py")]


def test_modules_and_imports_are_found():
    assert len(SOURCES) > 40
    imports = set().union(*(module.imports for module in SOURCES.values()))
    assert {"modules.shared", "tcd_sampler.messages", f"{LAB}.command.main"} <= imports
    assert any(is_in(name, "diffusers") for name in imports)


def test_only_the_lab_imports_its_packages():
    found = [
        f"{module.file}: {name}"
        for module in EVERYWHERE
        if not is_in(module.name, LAB)
        for name in module.imports
        if is_in(name, *LABS_OWN) and not is_in(name, *MAY_IMPORT.get(module.name, []))
    ]
    assert not found, list_lines(found)


def test_only_the_webui_package_imports_a_webui():
    found = [
        f"{module.file}: {name}"
        for module in SOURCES.values()
        if not is_in(module.name, WEBUI)
        for name in module.imports
        if is_in(name, "modules", "modules_forge")
    ]
    assert not found, list_lines(found)


def test_there_are_no_import_cycles():
    graph = {name: {find_module(imported) for imported in module.imports} for name, module in SOURCES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def find_module(imported: str) -> str:
    """Returns the module that contains an imported name, or the name itself if it is a module."""
    return imported if imported in SOURCES else imported.rpartition(".")[0]


def find_questions(module: Module) -> set[str]:
    """Returns the expressions that check what an object or an installation has."""
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


def test_allowed_attribute_checks_are_used():
    for name, questions in MAY_ASK.items():
        assert questions - find_questions(SOURCES[name]) == set()


def find_writing(module: Module) -> set[str]:
    """Returns the module's functions that write, directly or through other functions of the module."""
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


def test_functions_named_find_get_or_read_do_not_write_or_hash():
    found = [
        f"{module.file}: {name}"
        for module in SOURCES.values()
        for name in find_writing(module)
        if re.match("_?(find|get|read)_", name) and name not in MAY_SEEM_TO_WRITE.get(module.name, ())
    ]
    assert not found, list_lines(found)


def test_text_files_have_an_encoding():
    """Without an encoding, Python on Windows uses the system's."""
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
    """Shared helpers belong in tests/support or in a fixture."""
    found = [
        f"{module.file}: {name}"
        for module in list_modules("tests")
        for name in module.imports
        if any(re.match("test_|conftest$", part) for part in name.split("."))
    ]
    assert not found, list_lines(found)


def test_the_report_has_a_column_for_each_file_of_webui_tests():
    assert COLUMNS.keys() == {path.stem for path in (ROOT / "tests" / "webui").glob("test_*.py")}
