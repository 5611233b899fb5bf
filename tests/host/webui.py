"""Starts a WebUI that is already on the machine, for tests, and stops it.

It runs with its own interpreter from a copy of its code, in a data folder and on a loopback port of its own. Nothing is
written into its folder. What differs between WebUIs is asked of them here: flags, settings, and what they have.
"""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from functools import cached_property
from pathlib import Path

from . import checkpoint_sd15

FLAGS = [
    "--skip-prepare-environment",
    "--skip-torch-cuda-test",
    "--skip-version-check",
    "--skip-python-version-check",
    "--skip-google-blockly",
    "--no-download-sd-model",
    "--do-not-download-clip",
    "--no-hashing",
    "--use-cpu all",
    "--always-cpu",
    "--precision full",
    "--no-half",
    "--all-in-fp32",
    "--api",
]
"""Those of them that the WebUI knows."""

FLAG_FILES = ["modules/cmd_args.py", "backend/args.py", "ldm_patched/modules/args_parser.py"]

SETTINGS = {
    "show_progress_every_n_steps": 1,
    "live_previews_enable": True,
    "hires_fix_show_sampler": True,
    "samples_save": False,
    "grid_save": False,
}
CHEAP_PREVIEWS = {"Approx cheap", "RGB"}
"""What WebUIs call the previews that want no model of their own, which they would download."""

START_LIMIT = 180  # seconds


class WebUI:
    """A running WebUI: with WebUI(...) as webui."""

    def __init__(
        self,
        folder: Path,
        data: Path,
        checkpoints: Path,
        extensions: dict[str, Path],
        ui_config: dict[str, object] | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.folder, self.data = folder, data
        self.python = find_python(folder)
        self.environment = get_environment()
        self.code = data / "webui"
        # Gradio serves no file of a folder with a dot in its path, such as ~/.cache
        shutil.copytree(folder, self.code, ignore=self.leave_out, symlinks=True)
        (data / "extensions").mkdir()
        for name, extension in extensions.items():
            (data / "extensions" / name).symlink_to(extension, target_is_directory=True)
        if ui_config:
            (data / "ui-config.json").write_text(json.dumps(ui_config))
        settings = {"sd_model_checkpoint": f"{self.model}.safetensors", **(settings or {})}
        (data / "config.json").write_text(json.dumps(settings))
        (data / "models").mkdir()
        self.make_checkpoints(checkpoints)
        (data / "models" / "Stable-diffusion").symlink_to(checkpoints, target_is_directory=True)
        self.process: subprocess.Popen | None = None

    def leave_out(self, folder: str, names: list[str]) -> set[str]:
        """What need not be copied: the user's own things, and histories."""
        own = {"venv", ".venv", "models", "extensions", "outputs", "output", "log", "tmp", "cache"}
        return {".git", "__pycache__"} | (own if Path(folder) == self.folder else set())

    @cached_property
    def is_configured(self) -> bool:
        """Whether it makes models as configurations say, of any size, or guesses among those that it knows."""
        return not any((self.folder / name).is_dir() for name in ("backend", "ldm_patched"))

    @property
    def model(self) -> str:
        """The checkpoint's name to which "-inpaint", "-v" and "-refiner" can be added."""
        return "tiny-sdxl" if self.is_configured else "small-sd15"

    def make_checkpoints(self, folder: Path) -> None:
        """Makes them where they are not there yet."""
        for name in checkpoint_sd15.VARIANTS:
            if not (folder / f"{name}.safetensors").exists():
                checkpoint_sd15.write(folder, name)
        if self.is_configured and not (folder / "tiny-sdxl.safetensors").exists():
            script = Path(__file__).with_name("checkpoint_sdxl.py")
            command = [self.python, script, folder]
            done = subprocess.run(command, cwd=self.code, env=self.environment, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{script.name} failed in {self.folder}:\n{done.stderr[-4000:]}")

    @cached_property
    def flags(self) -> list[str]:
        files = [self.folder / name for name in FLAG_FILES]
        known = "".join(file.read_text(encoding="utf-8") for file in files if file.exists())
        return [word for flag in FLAGS if f'"{flag.split()[0]}"' in known for word in flag.split()]

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
            self.set_up()
            self.reload_ui()
        except BaseException:
            self.stop()
            raise
        return self

    def set_up(self) -> None:
        choices = self.component("setting_show_progress_type")["choices"]  # Gradio 3.41 and later: value, label
        previews = {choice[0] if isinstance(choice, list) else choice for choice in choices}
        [preview] = CHEAP_PREVIEWS & previews
        settings = {**SETTINGS, "show_progress_type": preview}
        # all of them: one that was never set, the host does not set back after a request's override
        status, answer = self.post("/sdapi/v1/options", {**self.get("/sdapi/v1/options"), **settings})
        assert status == 200, answer

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process is None:
            return
        for stop in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, stop)
                try:
                    self.process.wait(15)
                except subprocess.TimeoutExpired:
                    continue
        self.process = None

    def log(self) -> str:
        return (self.data / "log.txt").read_text(errors="replace")

    def wait_for_start(self, times: int) -> None:
        """Until it has started that many times, Reload UI included, and answers."""
        limit = time.monotonic() + START_LIMIT
        while self.log().count("Startup time") < times or not self.has_model() or not self.answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                tail = "\n".join(self.log().splitlines()[-40:])
                raise RuntimeError(f"The WebUI in {self.folder} did not start:\n{tail}")
            time.sleep(0.1)

    def has_model(self) -> bool:
        """Whether it has the checkpoint that it loads beside starting, if it does; some wait for the first job."""
        return not self.is_configured or "Model loaded" in self.log()

    def answers(self) -> bool:
        try:
            return bool(self.get("/sdapi/v1/options"))
        except (OSError, urllib.error.HTTPError):
            return False

    def component(self, elem_id: str) -> dict | None:
        """What the page is told of one of its components."""
        components = self.get("/config")["components"]
        return next((c["props"] for c in components if c["props"].get("elem_id") == elem_id), None)

    def reload_ui(self) -> None:
        """Presses the settings page's button."""
        starts = self.log().count("Startup time")
        config = self.get("/config")
        button = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "settings_restart_gradio")
        press = next(i for i, d in enumerate(config["dependencies"]) if is_target(button, d))
        self.post("/run/predict", {"fn_index": press, "data": [], "session_hash": "test"})
        self.wait_for_start(starts + 1)

    @cached_property
    def fields(self) -> set[str]:
        """What a request can have."""
        schemas = self.get("/openapi.json")["components"]["schemas"]
        return set(schemas["StableDiffusionProcessingTxt2Img"]["properties"])

    @cached_property
    def has_schedules(self) -> bool:
        """Whether it has a list of schedules to choose from, or but a setting for all samplers."""
        return "scheduler" in self.fields

    @cached_property
    def resolves_names(self) -> bool:
        """Whether it takes its first sampler for one that it does not know, instead of saying so."""
        return "get_sampler_and_scheduler(" in (self.folder / "modules" / "api" / "api.py").read_text(encoding="utf-8")

    @cached_property
    def schedules(self) -> set[str]:
        """The labels in that list."""
        if not self.has_schedules:
            return set()
        return {schedule["label"] for schedule in self.get("/sdapi/v1/schedulers")}

    @cached_property
    def can_paste(self) -> bool:
        """Whether requests can bring an infotext. (Some fail over any, by a check of their own.)"""
        job = {"infotext": "a\nSteps: 1, Sampler: Euler a, CFG scale: 1, Seed: 1, Size: 64x64"}
        return "infotext" in self.fields and "parameterized generic" not in str(self.post("/sdapi/v1/txt2img", job))

    @cached_property
    def describes_scripts(self) -> bool:
        """Whether it can say what arguments they have. (A1111 1.6 fails over any dropdown.)"""
        source = (self.folder / "modules" / "scripts.py").read_text(encoding="utf-8")
        return "isinstance(x, tuple)" in source

    @cached_property
    def has_sdxl_inpainting(self) -> bool:
        """Whether it knows SDXL checkpoints for inpainting."""
        return "hybrid" in (self.folder / "modules" / "sd_models_xl.py").read_text(encoding="utf-8")

    @cached_property
    def has_v_prediction(self) -> bool:
        """Whether a configuration can tell it of v-prediction; others look for that in SDXL checkpoints alone."""
        return self.is_configured or (self.folder / "backend").is_dir()

    @cached_property
    def shows_errors(self) -> bool:
        """Whether its page shows what a job raises."""
        thread = self.folder / "modules_forge" / "main_thread.py"
        return not thread.exists() or "last_exception" in thread.read_text(encoding="utf-8")

    def read_script(self, file_name: str) -> str:
        [file] = [*self.folder.glob(f"scripts/{file_name}"), *self.folder.glob(f"extensions-builtin/*/*/{file_name}")]
        return file.read_text(encoding="utf-8")

    def script_arguments(self, file_name: str, **given: object) -> list[object]:
        """A script's arguments in the order that this WebUI has them in; those that are not given are False."""
        tree = ast.parse(self.read_script(file_name))
        runs = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "run"]
        names = [argument.arg for argument in runs[0].args.args]
        return [given.get(name, False) for name in names[2:]]  # after self and p

    @cached_property
    def samplers(self) -> set[str]:
        return {sampler["name"] for sampler in self.get("/sdapi/v1/samplers")}

    def get(self, path: str) -> object:
        return self.request(path)[1]

    def post(self, path: str, body: object) -> tuple[int, object]:
        return self.request(path, json.dumps(body).encode())

    def request(self, path: str, data: bytes | None = None) -> tuple[int, object]:
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            if data is None:
                raise
            return error.code, json.load(error)


def find_python(folder: Path) -> Path:
    """The WebUI's own interpreter."""
    for name in ("venv/bin/python", ".venv/bin/python", "venv/Scripts/python.exe", ".venv/Scripts/python.exe"):
        if (folder / name).exists():
            return folder / name
    raise RuntimeError(f"No interpreter in {folder}: start that WebUI once, so that it makes its venv folder.")


def get_environment() -> dict[str, str]:
    """This process's environment without its own virtual one, and with nothing to be fetched."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    return {**environment, **offline, "PYTHONUNBUFFERED": "1"}


def is_target(component: int, dependency: dict) -> bool:
    """Gradio 3 lists a dependency's components, Gradio 4 pairs of them and their event."""
    return any(component == (target[0] if isinstance(target, list) else target) for target in dependency["targets"])
