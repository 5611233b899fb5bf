"""Starts and stops an installed WebUI for tests.

The WebUI runs with its own interpreter from a copy of its code, with its own data folder and loopback port. Nothing is
written into its folder.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tcd_sampler.lab.miniature.install import install_checkpoint

from . import checkpoint_large_sdxl, checkpoint_sd15
from .features import Features

SETTINGS = {
    "show_progress_every_n_steps": 1,
    "live_previews_enable": True,
    "hires_fix_show_sampler": True,
    "samples_save": False,
    "grid_save": False,
}
CHEAP_PREVIEWS = {"Approx cheap", "RGB"}
"""The WebUIs' names for live previews that need no model of their own, which would be downloaded."""

LIMIT = 1800
"""Seconds after which a start or a request counts as hung. The machine may be busy."""


class WebUI(Features):
    """A WebUI that runs in a with block: with WebUI(...) as webui."""

    def __init__(
        self,
        folder: Path,
        data: Path,
        checkpoints: Path,
        extensions: dict[str, Path],
        ui_config: dict[str, object] | None = None,
        settings: dict[str, str] | None = None,
        sdxl_folder: Path | None = None,
    ) -> None:
        self.folder, self.data, self.sdxl_folder = folder, data, sdxl_folder
        self.python = find_python(folder)
        self.environment = get_environment()
        self.code = data / "webui"
        # Gradio serves no files from folders with a dot in their path, such as ~/.cache
        shutil.copytree(folder, self.code, ignore=self.leave_out, symlinks=True)
        (data / "extensions").mkdir()
        for name, extension in extensions.items():
            (data / "extensions" / name).symlink_to(extension, target_is_directory=True)
        if ui_config:
            (data / "ui-config.json").write_text(json.dumps(ui_config), encoding="utf-8")
        settings = {"sd_model_checkpoint": f"{self.model}.safetensors", **(settings or {})}
        if self.version_uid:
            settings["VERSION_UID"] = self.version_uid
        (data / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        (data / "models").mkdir()
        self.make_checkpoints(checkpoints)
        (data / "models" / "Stable-diffusion").symlink_to(checkpoints, target_is_directory=True)
        self.process: subprocess.Popen | None = None

    def leave_out(self, folder: str, names: list[str]) -> set[str]:
        """Returns the names that need not be copied: the user's files, histories and caches."""
        own = {"venv", ".venv", "models", "extensions", "outputs", "output", "log", "tmp", "cache"}
        return {".git", "__pycache__"} | (own if Path(folder) == self.folder else set())

    def make_checkpoints(self, folder: Path) -> None:
        """Creates the missing checkpoints."""
        for name in checkpoint_sd15.VARIANTS:
            if name == "small-sd15-edit" and not self.is_configured:
                continue  # the WebUI does not support this kind
            if not (folder / f"{name}.safetensors").exists():
                checkpoint_sd15.write(folder, name)
        if self.model == "large-sdxl" and not (folder / "large-sdxl.safetensors").exists():
            for file in checkpoint_large_sdxl.list_files(self.sdxl_folder):
                (folder / file.name).symlink_to(file)
        if self.is_configured and not (folder / "tiny-sdxl.safetensors").exists():
            script = Path(__file__).with_name("checkpoint_sdxl.py")
            command = [self.python, script, folder]
            done = subprocess.run(command, cwd=self.code, env=self.environment, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{script.name} failed in {self.folder}:\n{done.stderr[-4000:]}")
            install_checkpoint(folder)

    def __enter__(self) -> "WebUI":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [self.python, "launch.py", *self.flags, "--data-dir", self.data, "--port", str(self.port)]
        with (self.data / "log.txt").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.code, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self.wait_for_start(1)
            if "--freeze-settings" not in self.flags:
                self.set_up()
            self.reload_ui()
        except BaseException:
            self.stop()
            raise
        return self

    def set_up(self) -> None:
        [preview] = CHEAP_PREVIEWS & set(self.choices("setting_show_progress_type"))
        settings = {**SETTINGS, "show_progress_type": preview}
        # all settings, because the host does not restore one that was never set after a request's override
        status, answer = self.post("/sdapi/v1/options", {**self.get("/sdapi/v1/options"), **settings})
        assert status == 200, answer

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is None:
            return
        for force in (False, True):
            if self.process.poll() is None:
                self.end_processes(force)
                try:
                    self.process.wait(15)
                except subprocess.TimeoutExpired:
                    continue
        self.process = None

    def end_processes(self, force: bool) -> None:
        """Ends the WebUI with the processes that its extensions started."""
        if os.name == "posix":
            os.killpg(self.process.pid, signal.SIGKILL if force else signal.SIGTERM)
        else:
            command = ["taskkill", "/T", *(["/F"] if force else []), "/PID", str(self.process.pid)]
            subprocess.run(command, capture_output=True)

    def log(self) -> str:
        return (self.data / "log.txt").read_text(errors="replace", encoding="utf-8")

    def wait_for_log(self, text: str, start: int) -> None:
        """Waits until the log has a text after a position. Some WebUIs answer before they write it."""
        limit = time.monotonic() + LIMIT
        while text not in self.log()[start:]:
            assert time.monotonic() < limit, f"{text} is not in the log"
            time.sleep(0.1)

    def wait_for_start(self, times: int) -> None:
        """Waits until the WebUI has started that many times, including Reload UI, and answers."""
        limit = time.monotonic() + LIMIT
        while self.log().count("Startup time") < times or not self.has_model() or not self.answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                tail = "\n".join(self.log().splitlines()[-40:])
                raise RuntimeError(f"The WebUI in {self.folder} did not start:\n{tail}")
            time.sleep(0.1)

    def has_model(self) -> bool:
        """Whether the checkpoint is loaded, if the WebUI loads it at the start. Some load it for the first job."""
        return not self.is_configured or "Model loaded" in self.log()

    def answers(self) -> bool:
        try:
            return bool(self.get("/sdapi/v1/options"))
        except (OSError, urllib.error.HTTPError):
            return False

    def reload_ui(self) -> None:
        """Clicks the settings page's button Reload UI and waits for the start."""
        starts = self.log().count("Startup time")
        config = self.get("/config")
        button = self.component_id("settings_restart_gradio")
        press = next(i for i, d in enumerate(config["dependencies"]) if is_target(button, d))
        self.post("/run/predict", {"fn_index": press, "data": [], "session_hash": "test"})
        self.wait_for_start(starts + 1)

    @property
    def lora_folder(self) -> Path:
        return self.data / "models" / "Lora"

    def refresh_loras(self) -> None:
        """Makes the WebUI list the files that are in that folder now."""
        status, answer = self.post("/sdapi/v1/refresh-loras", {})
        assert status == 200, answer

    def remove_loras(self) -> None:
        for file in self.lora_folder.iterdir():
            file.unlink()
        self.refresh_loras()

    def get(self, path: str) -> object:
        return self.request(path)[1]

    def post(self, path: str, body: object) -> tuple[int, object]:
        return self.request(path, json.dumps(body).encode())

    def request(self, path: str, data: bytes | None = None) -> tuple[int, object]:
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            if data is None:
                raise
            return error.code, json.load(error)


def find_python(folder: Path) -> Path:
    """Returns the WebUI's own interpreter."""
    for name in ("venv/bin/python", ".venv/bin/python", "venv/Scripts/python.exe", ".venv/Scripts/python.exe"):
        if (folder / name).exists():
            return folder / name
    raise RuntimeError(f"No interpreter in {folder}: start that WebUI once, so that it makes its venv folder.")


def get_environment() -> dict[str, str]:
    """Returns this process's environment without its virtual environment, and with downloads turned off."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "HF_HUB_OFFLINE")
    }
    # huggingface_hub obeys the first too. This extension's downloads do not, and use a server of the tests
    offline = {"TRANSFORMERS_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))}  # more threads would busy-wait
    return {**threads, **environment, **offline, "PYTHONUNBUFFERED": "1"}


def is_target(component: int, dependency: dict) -> bool:
    """Whether a component is a dependency's target. Gradio 3 lists components, Gradio 4 pairs with their event."""
    return any(component == (target[0] if isinstance(target, list) else target) for target in dependency["targets"])
