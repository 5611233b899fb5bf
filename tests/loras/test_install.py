"""The command that downloads LoRAs, and that does nothing when a WebUI runs it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcd_sampler.loras.download import DownloadError

from ..support.loopback import hangs_after, whole
from ..support.published import CHUNK, CONTENT, FINAL, HALF, LORA, PART, fetch, get_files

ROOT = Path(__file__).parents[2]

# The package is a stand-in: with a list of its own, and without torch, which takes seconds to import.
DRIVER = f"""
import runpy, signal, sys
from types import ModuleType, SimpleNamespace

signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may have it ignored
package = sys.modules["tcd_sampler"] = ModuleType("tcd_sampler")
package.__path__ = [{str(ROOT / "tcd_sampler")!r}]
catalogue = sys.modules["tcd_sampler.loras.catalogue"] = ModuleType("tcd_sampler.loras.catalogue")
family = SimpleNamespace(family="SDXL", license="MIT", use=SimpleNamespace(line="TCD"), **{vars(LORA)!r})
second = SimpleNamespace(**{{**vars(family), "name": "second", "family": "SD 1.5", "size": 1_000_000}})
catalogue.CATALOGUE = SimpleNamespace(for_tcd=[family, second])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextmanager
def command(*arguments, server=None, install=ROOT / "install.py"):
    environment = {**os.environ, "HF_ENDPOINT": server.address if server else "http://127.0.0.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *map(str, [install, *arguments])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments, **options):
    with command(*arguments, **options) as process:
        output, errors = process.communicate(timeout=600)
    return process.returncode, output, errors.splitlines()


def test_without_arguments_nothing_happens(tmp_path):
    result = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / "install.py"], capture_output=True, text=True, cwd=tmp_path
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"tcd_sampler", "torch", "requests", "urllib3", "tqdm", "socket"}
    assert (result.returncode, result.stdout) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_list():
    status, output, errors = run("--list")
    assert (status, errors) == (0, [])
    assert output.splitlines() == [
        "TCD-SDXL-LoRA  SDXL    0 MB  MIT  TCD",
        "second         SD 1.5  1 MB  MIT  TCD",
    ]


def test_command(server, folder):
    status, output, errors = run(LORA.name, LORA.name, "--to", folder, server=server)
    assert status == 0
    assert output == f"Downloaded {folder / FINAL}.\n"
    assert "100%" in errors[-1]
    assert get_files(folder) == {FINAL: CONTENT}


def test_command_with_one_that_fails(server, folder):
    status, output, errors = run("second", LORA.name, "--to", folder, server=server)
    assert status == 1
    assert output == f"Downloaded {folder / FINAL}.\n"
    assert any(line.startswith("second was not downloaded: 127.0.0.1:") for line in errors)
    assert get_files(folder) == {FINAL: CONTENT}


@pytest.mark.parametrize("linked", [True, False])
def test_folder_of_the_webui(server, tmp_path, linked):
    extension = tmp_path / "webui" / "extensions" / "tcd"
    folder = tmp_path / "webui" / "models" / "Lora"
    folder.mkdir(parents=True)
    if linked:
        extension.parent.mkdir()
        extension.symlink_to(ROOT)
    else:
        extension.mkdir(parents=True)
        shutil.copy(ROOT / "install.py", extension)
    status, output, _ = run(LORA.name, server=server, install=extension / "install.py")
    assert (status, output) == (0, f"Downloaded {folder / FINAL}.\n")
    assert get_files(folder) == {FINAL: CONTENT}


@pytest.mark.parametrize("where", ["elsewhere/tcd", "webui/extensions/tcd"])
def test_no_folder_of_a_webui(tmp_path, where):
    extension = tmp_path / where
    extension.mkdir(parents=True)
    shutil.copy(ROOT / "install.py", extension)
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    status, output, errors = run(LORA.name, install=extension / "install.py")
    sentence = "This is not among a WebUI's extensions: name the folder for LoRAs with --to FOLDER."
    assert (status, output, errors) == (1, "", [sentence])


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([LORA.name, "none"], "There is no LoRA none in the list: TCD-SDXL-LoRA, second."),
        (["other"], "There is no LoRA other in the list: TCD-SDXL-LoRA, second."),
        ([], "Name the LoRAs to download, of these: TCD-SDXL-LoRA, second."),
    ],
)
def test_unknown_names(server, folder, names, sentence):
    assert run(*names, "--to", folder, server=server) == (1, "", [sentence])
    assert get_files(folder) == {}
    assert server.requests == []


def wait_for_half(server, folder):
    """Until the command has put what it was sent into the part file, but for the end of a chunk."""
    assert server.sent.wait(30)
    deadline = time.monotonic() + 30
    while (folder / PART).stat().st_size < HALF - CHUNK:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_interrupted_command(server, folder):
    server.answers = [hangs_after(HALF)]
    with command(LORA.name, "--to", folder, server=server) as process:
        wait_for_half(server, folder)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=600)
    assert (process.returncode, output) == (130, "")
    assert errors.splitlines()[-1] == "Interrupted: what was not finished is not kept."
    assert "Traceback" not in errors
    assert get_files(folder) == {}


def test_killed_command(server, folder):
    server.answers = [hangs_after(HALF), whole]
    with command(LORA.name, "--to", folder, server=server) as process:
        wait_for_half(server, folder)
        with pytest.raises(DownloadError, match="already being downloaded"):
            fetch(server, folder)
        process.kill()
        process.communicate(timeout=600)
    size = (folder / PART).stat().st_size
    assert HALF - CHUNK <= size <= HALF
    fetch(server, folder)
    assert get_files(folder) == {FINAL: CONTENT}
    assert server.ranges == [None, f"bytes={size}-"]
