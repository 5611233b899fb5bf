"""Finds a WebUI's features: in its files before it runs, then in its page and its API."""

import ast
import re
import subprocess
from functools import cached_property
from pathlib import Path

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
    "--cpu",
    "--precision full",
    "--no-half",
    "--all-in-fp32",
    "--force-fp32",
    "--api",
]
"""Flags for starting a WebUI. Those that it does not know are omitted."""

LACKS = "this WebUI has no "
"""The beginning of a skip reason. The report lists the rest of the sentence."""

FLAG_FILES = ["modules/cmd_args.py", "backend/args.py", "ldm_patched/modules/args_parser.py"]


class Features:
    """The features of the WebUI in a folder."""

    folder: Path
    python: Path
    """Its own interpreter."""

    sdxl_folder: Path | None
    """A folder with checkpoints in SDXL's layout, for WebUIs that accept only models of full size."""

    def get(self, path: str) -> object:
        raise NotImplementedError

    def post(self, path: str, body: object) -> tuple[int, object]:
        raise NotImplementedError

    @cached_property
    def flags(self) -> list[str]:
        files = [self.folder / name for name in FLAG_FILES]
        known = "".join(file.read_text(encoding="utf-8") for file in files if file.exists())
        return [word for flag in FLAGS if f'"{flag.split()[0]}"' in known for word in flag.split()]

    @cached_property
    def is_configured(self) -> bool:
        """Whether the WebUI builds models of any size from configurations. The others detect types that they know."""
        return not any((self.folder / name).is_dir() for name in ("backend", "ldm_patched"))

    @cached_property
    def version_uid(self) -> str | None:
        """The version that Forge Neo expects in its config.json, or else it waits for a key. None for other WebUIs."""
        source = (self.folder / "modules" / "launch_utils.py").read_text(encoding="utf-8")
        found = re.search(r'^VERSION_UID\b.* = "(\w+)"$', source, re.MULTILINE)
        return found[1] if found else None

    @cached_property
    def latent_upscaler(self) -> str:
        """The name of the upscaler for hires fix: the first latent one, or "None" if there are no latent upscalers."""
        return next((name for name in self.choices("txt2img_hr_upscaler") if name.startswith("Latent")), "None")

    @property
    def model(self) -> str:
        """The checkpoint's name. Variants add "-inpaint", "-v" or "-refiner"."""
        if self.is_configured:
            return "tiny-sdxl"
        return "large-sdxl" if self.sdxl_folder else "small-sd15"

    def component(self, elem_id: str) -> dict | None:
        """Returns the properties of one of the page's components, or None."""
        return next((component["props"] for component in self.components(elem_id)), None)

    def component_id(self, elem_id: str) -> int:
        """Returns the number that events use for a component."""
        return next(component["id"] for component in self.components(elem_id))

    def components(self, elem_id: str) -> list[dict]:
        return [c for c in self.get("/config")["components"] if c["props"].get("elem_id") == elem_id]

    def choices(self, elem_id: str) -> list[str]:
        """Returns a dropdown's choices. Gradio 3.41 and later have pairs of label and value."""
        return [choice[0] if isinstance(choice, list) else choice for choice in self.component(elem_id)["choices"]]

    @cached_property
    def fields(self) -> set[str]:
        """The fields that a txt2img request can have."""
        schemas = self.get("/openapi.json")["components"]["schemas"]
        return set(schemas["StableDiffusionProcessingTxt2Img"]["properties"])

    @cached_property
    def has_schedules(self) -> bool:
        """Whether requests can choose a schedule. Other WebUIs have only a setting for all samplers."""
        return "scheduler" in self.fields

    @cached_property
    def schedules(self) -> set[str]:
        """The labels of the schedules."""
        if not self.has_schedules:
            return set()
        return {schedule["label"] for schedule in self.get("/sdapi/v1/schedulers")}

    @cached_property
    def rescales_simple(self) -> bool:
        """Whether the schedule Simple stretches the noise levels of the table, as in ersatzForge."""
        source = (self.folder / "modules" / "sd_schedulers.py").read_text(encoding="utf-8")
        return "isinstance(inner_model.predictor" in source

    @cached_property
    def can_fix_steps(self) -> bool:
        """Whether a setting decides if img2img runs all steps or a share of them. Others always run all."""
        return "img2img_fix_steps" in self.get("/sdapi/v1/options")

    @cached_property
    def can_paste(self) -> bool:
        """Whether requests can contain an infotext. In some WebUIs, their own check of it always fails."""
        job = {"infotext": "a\nSteps: 1, Sampler: Euler a, CFG scale: 1, Seed: 1, Size: 64x64"}
        return "infotext" in self.fields and "parameterized generic" not in str(self.post("/sdapi/v1/txt2img", job))

    @cached_property
    def accepts_tiling(self) -> bool:
        """Whether requests can turn tiling off, as clients do. ersatzForge reads the field as text, and fails."""
        job = {"tiling": False, "sampler_name": "Euler a", "steps": 1, "width": 64, "height": 64}
        return self.post("/sdapi/v1/txt2img", job)[0] == 200

    @cached_property
    def hires_key(self) -> str:
        """The first word of the hires pass's keys in infotexts: Hires, or HiRes in ersatzForge."""
        source = (self.folder / "modules" / "processing.py").read_text(encoding="utf-8")
        return re.findall(r'"(hires) sampler"', source, re.IGNORECASE)[0]

    @cached_property
    def resizes_noise_apart(self) -> bool:
        """Whether seed resize leaves an image's generator as it is. In ersatzForge, it draws from it."""
        source = (self.folder / "modules" / "rng.py").read_text(encoding="utf-8")
        return "randn(seed, noise_shape, generator" not in source

    @cached_property
    def has_loras(self) -> bool:
        """Whether its own script for LoRAs starts. In ersatzForge, it needs a function that is gone."""
        return "/sdapi/v1/refresh-loras" in self.get("/openapi.json")["paths"]

    @cached_property
    def writes_infotexts_last(self) -> bool:
        """Whether infotexts contain what scripts set in postprocess_image. ersatzForge writes them before."""
        source = (self.folder / "modules" / "processing.py").read_text(encoding="utf-8")
        return source.index("p.scripts.postprocess_image(") < source.index("infotexts.append(")

    @cached_property
    def calls_callables(self) -> bool:
        """Whether infotexts show the result of a function among a job's parameters. Others show the function."""
        return "callable(value)" in (self.folder / "modules" / "processing.py").read_text(encoding="utf-8")

    @cached_property
    def describes_scripts(self) -> bool:
        """Whether the API can list the arguments of scripts. A1111 1.6 fails at any dropdown."""
        source = (self.folder / "modules" / "scripts.py").read_text(encoding="utf-8")
        return "isinstance(x, tuple)" in source

    @cached_property
    def has_half_precision(self) -> bool:
        """Whether it can run the UNet in half precision on a CPU, which PyTorch 2.1 cannot."""
        source = (self.folder / "modules" / "cmd_args.py").read_text(encoding="utf-8")
        code = "import torch; torch.nn.Conv2d(1, 1, 1).half()(torch.ones(1, 1, 1, 1).half())"
        if not self.is_configured or '"half"' not in source:
            return False
        return subprocess.run([self.python, "-c", code], capture_output=True).returncode == 0

    @cached_property
    def has_predictors(self) -> bool:
        """Whether the loaded model has an object for its kind of prediction, as in Forge."""
        return (self.folder / "backend" / "modules" / "k_prediction.py").exists()

    @cached_property
    def has_sdxl_inpainting(self) -> bool:
        """Whether the WebUI supports SDXL checkpoints for inpainting."""
        file = self.folder / "modules" / "sd_models_xl.py"
        return not self.is_configured or "sdxl_inpaint" in file.read_text(encoding="utf-8")

    @cached_property
    def has_v_prediction(self) -> bool:
        """Whether it recognizes v-prediction by the checkpoint's configuration. Others do so for SDXL only."""
        return self.is_configured or (self.folder / "backend").is_dir() or self.model == "large-sdxl"

    def find_script(self, file_name: str) -> Path | None:
        files = [*self.folder.glob(f"scripts/{file_name}"), *self.folder.glob(f"extensions-builtin/*/*/{file_name}")]
        return files[0] if files else None

    def read_script(self, file_name: str) -> str:
        return self.find_script(file_name).read_text(encoding="utf-8")

    def script_arguments(self, file_name: str, **given: object) -> list[object]:
        """Returns a script's arguments in this WebUI's order. Arguments that are not given are False."""
        tree = ast.parse(self.read_script(file_name))
        runs = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "run"]
        names = [argument.arg for argument in runs[0].args.args]
        return [given.get(name, False) for name in names[2:]]  # after self and p

    @cached_property
    def samplers(self) -> set[str]:
        return {sampler["name"] for sampler in self.get("/sdapi/v1/samplers")}
