"""install.py does nothing when a WebUI runs it, and prints help when a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "install.py"
BY_WEBUI = {**os.environ, "PYTHONPATH": "/webui"}
BY_HAND = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*arguments, env, **options):
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=env, check=True, timeout=60, **options)
    return result.stdout, result.stderr


def get_imports(path):
    _, errors = run("-X", "importtime", path, env=BY_WEBUI)
    return {line.rpartition("|")[2].strip() for line in errors.splitlines()}


def test_a_webui_runs_it(tmp_path):
    assert run(INSTALL, env=BY_WEBUI, cwd=tmp_path) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_it_imports_nothing(tmp_path):
    empty = tmp_path / "empty.py"
    empty.touch()
    assert get_imports(INSTALL) == get_imports(empty)


def run_on_terminal(env):
    pty = pytest.importorskip("pty")
    ours, terminal = pty.openpty()
    try:
        subprocess.run([sys.executable, INSTALL], stdout=terminal, env=env, check=True, timeout=60)
        os.write(terminal, b"end")
        return os.read(ours, 10_000).decode()
    finally:
        os.close(terminal)
        os.close(ours)


def test_a_webui_that_shares_its_terminal_sees_no_output():
    assert run_on_terminal(BY_WEBUI) == "end"


@pytest.mark.parametrize("how", ["on a terminal", "with arguments"])
def test_a_user_runs_it(how):
    output = run_on_terminal(BY_HAND) if how == "on a terminal" else run(INSTALL, "--list", env=BY_HAND)[0]
    assert "nothing to install" in output
    assert "python -m tcd_sampler download" in output
