"""The command that lists and downloads published LoRAs."""

import argparse
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tcd_sampler import messages
from tcd_sampler.loras import command
from tcd_sampler.messages import Message

from ..support.loopback import PATIENCE, whole
from ..support.published import CONTENT, FINAL, HALF, LORA, get_files

ROOT = Path(__file__).parents[2]
SECOND = replace(LORA, name="second", family="SD 1.5", size=2_000_000)


@pytest.fixture(autouse=True)
def catalogue(monkeypatch):
    class Catalogue:
        for_tcd = (LORA, SECOND)

    monkeypatch.setattr(command, "CATALOGUE", Catalogue)


@pytest.fixture
def run(capsys):
    """Runs the command and returns its exit status, stdout, and the lines of stderr."""

    def run(*arguments):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        status = command.run(parser.parse_args([str(argument) for argument in arguments]))
        captured = capsys.readouterr()
        return status, captured.out, captured.err.splitlines()

    return run


def test_list(run):
    status, output, errors = run("--list")
    assert (status, errors) == (0, [])
    rows = [line.split("  ") for line in output.splitlines()]
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        ["TCD-SDXL-LoRA", LORA.family, "1 MB", LORA.license, "TCD"],
        ["second", "SD 1.5", "2 MB", LORA.license, "TCD"],
    ]


def test_a_download_with_its_progress(server, folder, run):
    status, output, errors = run(LORA.name, LORA.name, "--to", folder)
    assert (status, output) == (0, f"Downloaded {folder / FINAL}.\n")
    assert "100%" in errors[-1]
    assert get_files(folder) == {FINAL: CONTENT}
    assert len(server.requests) == 1


def test_one_failed_download_among_others(server, folder, run):
    status, output, errors = run("second", LORA.name, "--to", folder)
    assert (status, output) == (1, f"Downloaded {folder / FINAL}.\n")
    host = f"127.0.0.1:{server.server_port}"
    assert str(Message(messages.SIZE_MISMATCH, {"lora": "second", "host": host})) in errors
    assert get_files(folder) == {FINAL: CONTENT}


NAMES = "TCD-SDXL-LoRA, second"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([LORA.name, "other"], Message(messages.UNKNOWN_LORA, {"names": NAMES, "value": "other"})),
        ([], Message(messages.NO_LORA_NAME, {"names": NAMES})),
    ],
)
def test_unknown_names(server, folder, run, names, message):
    assert run(*names, "--to", folder) == (1, "", [str(message)])
    assert get_files(folder) == {}
    assert server.requests == []


@pytest.fixture
def webui(tmp_path):
    """A WebUI's folder with a link to the extension."""
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    (tmp_path / "extensions").mkdir()
    (tmp_path / "extensions" / "tcd").symlink_to(ROOT)
    return tmp_path


@pytest.mark.parametrize("known_by", ["its path", "the shell's folder"])
def test_the_lora_folder_of_the_webui_is_found(server, webui, run, monkeypatch, known_by):
    extension = webui / "extensions" / "tcd"
    if known_by == "its path":
        monkeypatch.setattr(command, "__file__", str(extension / "tcd_sampler" / "loras" / "command.py"))
        monkeypatch.delenv("PWD", raising=False)
    else:
        monkeypatch.setenv("PWD", str(extension))
    folder = webui / "models" / "Lora"
    assert run(LORA.name)[:2] == (0, f"Downloaded {folder / FINAL}.\n")
    assert get_files(folder) == {FINAL: CONTENT}


@pytest.mark.parametrize("shell", ["elsewhere", "an extension", "nowhere"])
def test_no_lora_folder_is_found_outside_the_webui(webui, run, monkeypatch, shell):
    """Another extension's folder in a WebUI is not mistaken for this extension's."""
    folders = {"elsewhere": webui, "an extension": webui / "extensions" / "other", "nowhere": webui / "gone"}
    (webui / "extensions" / "other").mkdir()
    monkeypatch.setattr(command, "__file__", str(webui / "somewhere" / "tcd" / "tcd_sampler" / "loras" / "command.py"))
    (webui / "somewhere" / "tcd").mkdir(parents=True)
    monkeypatch.setenv("PWD", str(folders[shell]))
    assert run(LORA.name) == (1, "", [messages.NO_LORA_FOLDER])


def test_a_webui_without_a_lora_folder(webui, run, monkeypatch):
    (webui / "models" / "Lora").rmdir()
    monkeypatch.setenv("PWD", str(webui / "extensions" / "tcd"))
    assert run(LORA.name) == (1, "", [messages.NO_LORA_FOLDER])


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs to signal a thread")
def test_ctrl_c(server, folder, run, monkeypatch):
    def answer(handler):
        whole(handler, cut=HALF)
        signal.pthread_kill(main_thread, signal.SIGINT)
        server.released.wait(PATIENCE)

    main_thread = threading.main_thread().ident
    server.answers = [answer]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status, output, errors = run(LORA.name, "--to", folder)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (status, output) == (130, "")
    assert "Traceback" not in "".join(errors)
    assert errors[-1].startswith("Canceled.")
    assert get_files(folder) == {}
