"""The command: its subcommands, the packages that they need, and how errors are reported."""

import io
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tcd_sampler.errors import UserError
from tcd_sampler.lab import command, messages
from tcd_sampler.lab.command import EXTRAS, SUBCOMMANDS, add_default, main
from tcd_sampler.lab.demo import page
from tcd_sampler.lab.demo.page import get_handler, has_display
from tcd_sampler.lab.demo.session import Session
from tcd_sampler.lab.demo.strips import vary_gamma

ROOT = Path(__file__).parents[2]
NAMES = [subcommand.name for subcommand in SUBCOMMANDS]
OURS = [name for name in NAMES if name != "download"]
MODULES = {"pillow": "PIL"}
"""Import names of distributions, if they differ."""


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def plant(monkeypatch, run, name="generate"):
    """Replaces the run function of a subcommand's module."""
    module = next(subcommand.module for subcommand in SUBCOMMANDS if subcommand.name == name)
    monkeypatch.setitem(sys.modules, f"tcd_sampler.{module}", SimpleNamespace(run=run))


@pytest.mark.parametrize("name", OURS)
def test_help(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert re.match(rf"usage: \S+( -m tcd_sampler)? {name} ", capsys.readouterr().out)


@pytest.mark.parametrize("encoding", ["cp1252", "cp936", "ascii"])
def test_a_console_that_lacks_characters_of_the_prompt(encoding, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr("sys.stdout", console)
    plant(monkeypatch, lambda args: print(args.prompt) or 0)
    assert main(["generate", "--prompt", "a café by 海 🐚"]) == 0
    assert console.buffer.getvalue().decode(encoding).startswith("a caf")


def test_help_names_the_command_and_its_subcommands(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["/where/it/is/__main__.py"])  # as with python -m
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert printed.startswith("usage: python -m tcd_sampler ")
    assert all(re.search(rf"^ +{name}\b", printed, re.MULTILINE) for name in NAMES)


@pytest.mark.slow
def test_help_imports_none_of_the_packages():
    packages = {package for extra in EXTRAS.values() for package in extra} - {"numpy"}  # which torch imports
    code = f"""
import sys
from tcd_sampler.lab.command import main
try:
    main(["generate", "--help"])
except SystemExit:
    print(sorted({packages} & set(sys.modules)))
"""
    assert run_python(code).stdout.endswith("\n[]\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["demo"]),
        (["--port", "1"], ["demo", "--port", "1"]),
        (["--help"], ["--help"]),
        (["parity"], ["parity"]),
        (["other"], ["other"]),
    ],
)
def test_the_demo_is_the_default(arguments, expected):
    assert add_default(arguments) == expected


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        main(["compose"])
    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert all(name in printed for name in NAMES)


@pytest.mark.parametrize("name", OURS)
def test_the_module_runs_with_its_arguments(name, monkeypatch):
    seen = []
    plant(monkeypatch, lambda args: seen.append(args) or 7, name)
    extra = {"generate": ["--prompt", "a"], "install-miniature": ["webui"]}.get(name, [])
    assert main([name, *extra]) == 7
    assert seen[0].subcommand.name == name


def test_download_runs_the_command_of_the_loras_package(monkeypatch):
    def add_arguments(parser):
        parser.add_argument("names", nargs="*")

    module = SimpleNamespace(add_arguments=add_arguments, run=lambda args: len(args.names))
    monkeypatch.setitem(sys.modules, "tcd_sampler.loras.command", module)
    monkeypatch.setattr(command, "find_spec", lambda name: pytest.fail(f"needs {name}"))
    assert main(["download", "a", "b"]) == 2


@pytest.mark.parametrize("subcommand", [s for s in SUBCOMMANDS if s.extra], ids=lambda subcommand: subcommand.name)
def test_a_missing_package_is_named_with_its_extra_before_any_work(subcommand, monkeypatch, capsys):
    plant(monkeypatch, lambda args: pytest.fail("worked"), subcommand.name)
    for package in EXTRAS[subcommand.extra]:
        monkeypatch.setattr(command, "find_spec", lambda name, package=package: None if name == package else True)
        extra = {"generate": ["--prompt", "a"], "install-miniature": ["webui"]}.get(subcommand.name, [])
        assert main([subcommand.name, *extra]) == 1
        values = {"command": subcommand.name, "package": package, "extra": subcommand.extra}
        assert capsys.readouterr().err == messages.MISSING_PACKAGE.format(**values) + "\n"


def test_extras_match_pyproject():
    found = {name: set() for name in EXTRAS}
    for requirement in requires("sd-webui-tcd"):
        name = re.match(r"[\w-]+", requirement)[0]
        extra = re.search(r"extra == [\"'](\w+)[\"']", requirement)
        extra = extra and extra[1]
        if extra in found and name != "sd-webui-tcd":
            found[extra].add(MODULES.get(name, name))
    found["evaluation"] = found["demo"] | found["parity"]
    assert {name: set(packages) for name, packages in EXTRAS.items()} == found


# Errors


def test_a_user_error_is_one_sentence(monkeypatch, capsys):
    def fail(args):
        raise UserError("{field} must be higher.", field="steps")

    plant(monkeypatch, fail)
    assert main(["generate", "--prompt", "a"]) == 1
    assert capsys.readouterr().err == "steps must be higher.\n"


def multiply(*_):
    return torch.zeros(2, 3) @ torch.zeros(2, 3)


def raise_value_error(*_):
    return dict(zip("a", "bc", strict=True))


def raise_key_error(*_):
    return {}["planted"]


BUGS = [(raise_value_error, ValueError), (raise_key_error, KeyError), (multiply, RuntimeError)]


@pytest.mark.parametrize(("bug", "error"), BUGS)
def test_a_bug_keeps_its_traceback(bug, error, monkeypatch, tmp_path):
    model = SimpleNamespace(read_prompt=None, threads=None, control_image=None)
    monkeypatch.setattr("tcd_sampler.lab.demo.generate.load_model", lambda args: model)
    monkeypatch.setattr("tcd_sampler.lab.demo.generation.get_size", bug)
    with pytest.raises(error):
        main(["generate", "--prompt", "a", "--output", str(tmp_path / "a.png")])


def show(model, tmp_path, prompt="a red ball", steps=4):
    """Returns the page's last status."""
    handle = get_handler(Session(model, tmp_path), vary_gamma)
    return [status for status, _ in handle(prompt, steps, 0.3, 0)][-1]


@pytest.mark.parametrize(("bug", "error"), BUGS)
def test_a_bug_in_the_page_keeps_its_traceback_too(bug, error, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tcd_sampler.lab.demo.generation.get_size", bug)
    model = SimpleNamespace(read_prompt=None, threads=None)
    assert show(model, tmp_path) == "Internal error: see the terminal."
    assert re.search(rf"^Traceback.*^{error.__name__}: ", capsys.readouterr().err, re.MULTILINE | re.DOTALL)


def test_a_user_error_in_the_page_is_one_sentence(tmp_path, capsys):
    model = SimpleNamespace(loras={}, read_prompt=None)
    assert show(model, tmp_path, steps=99) == "steps must be a number from 1 to 50, got 99."
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":0", "SSH_CONNECTION": "1"}, False),
        ("darwin", {}, True),
        ("win32", {}, True),
        ("win32", {"SSH_CONNECTION": "1"}, False),
    ],
)
def test_the_browser_opens_only_on_a_display(platform, environment, expected, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_display() is expected


def test_the_page_is_served_until_ctrl_c(monkeypatch, capsys):
    opened = []

    def launch(model, port, folder, inbrowser):
        opened.append((port, inbrowser))
        return SimpleNamespace(close=lambda verbose: opened.append("closed"))

    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "load_model", lambda args: None)
    monkeypatch.setattr(page, "launch", launch)
    monkeypatch.setattr(page, "has_display", lambda: True)
    monkeypatch.setattr(page, "check_port", lambda port: None)
    monkeypatch.setattr("time.sleep", interrupt)
    assert main(["--port", "7861"]) == 130
    assert opened == [(7861, True), "closed"]
    captured = capsys.readouterr()
    assert captured.out == "Open http://127.0.0.1:7861 in a browser. Press Ctrl-C to stop.\n"
    assert captured.err == "\nStopped.\n"


def test_ctrl_c_ends_in_one_line(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    plant(monkeypatch, interrupt)
    assert main(["generate", "--prompt", "a"]) == 130
    assert capsys.readouterr().err == "\nStopped.\n"


@pytest.mark.slow
def test_a_bug_ends_in_a_traceback_in_the_terminal():
    code = """
import sys
from types import SimpleNamespace
from tcd_sampler.lab.command import main
sys.modules["tcd_sampler.lab.demo.generate"] = SimpleNamespace(run=lambda args: {}["planted"])
raise SystemExit(main(["generate", "--prompt", "a"]))
"""
    done = run_python(code)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last)")
    assert done.stderr.endswith("KeyError: 'planted'\n")


@pytest.mark.parametrize("name", ["parity", "evaluate", "grid"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(name, tmp_path, capsys):
    assert main([name, "--output", str(tmp_path / "none" / "a.png")]) == 1
    assert capsys.readouterr().err.endswith(f"cannot be written (the folder {tmp_path / 'none'} does not exist).\n")
    (tmp_path / "folder.png").mkdir()
    assert main([name, "--output", str(tmp_path / "folder.png")]) == 1
    assert re.fullmatch(r"--output: \S+folder.png cannot be written \(.+\).\n", capsys.readouterr().err)
    assert main([name, "--output", str(tmp_path / "a.none")]) == 1
    assert capsys.readouterr().err == f"--output must end in an image format such as .png, got {tmp_path / 'a.none'}.\n"
