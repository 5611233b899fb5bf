"""Runs tests/webui in several WebUIs, two at a time, and prints a table of the results.

    python -m tests.webui.report [--long] [--extensions DIR] [--at-once N] [WEBUI ...]

Without WEBUI, it uses the folders that TCD_WEBUI_DIRS lists (a:b:c), or else those in ~/.cache/sd-webui-tcd/webuis. The
exit status is 1 if any test failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from .features import LACKS
from .webui import find_python

ROOT = Path(__file__).parents[2]
FOLDER = Path.home() / ".cache" / "sd-webui-tcd" / "webuis"
PACKAGES = ["torch", "gradio", "pydantic"]
COLUMNS = {
    "test_accuracy": "latents",
    "test_half_precision": "half precision",
    "test_single_pass": "CFG 1",
    "test_controlnet": "ControlNet",
    "test_seeds": "seeds",
    "test_jobs": "jobs",
    "test_inner_jobs": "inner jobs",
    "test_schedule_names": "schedules",
    "test_lora": "LoRA",
    "test_lora_faults": "LoRA faults",
    "test_presets": "presets",
    "test_bad_input": "bad input",
    "test_page": "page",
    "test_preset_page": "presets' page",
    "test_screenshots_page": "screenshots",
    "test_miniature": "miniature",
    "test_uses": "uses",
    "test_uses_controlnet": "uses",
    "test_reload": "reload",
    "test_start": "start",
    "test_other_extensions": "extensions",
    "test_forge_extensions": "built-in extensions",
    "test_distributed": "distributed",
}
"""The table's column titles, by test file."""

SETTINGS = {"sd_sampling": ["A1111", "ldm patched (Comfy)"]}
"""Settings that make a WebUI run different code. The tests run with each of the values."""

BROKEN = "not run"


@dataclass
class Result:
    """The test results of one WebUI."""

    name: str
    versions: list[str] = field(default_factory=lambda: ["?"] * (1 + len(PACKAGES)))
    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lacks: Counter[str] = field(default_factory=Counter)

    def count(self, case: ElementTree.Element) -> None:
        name = case.get("classname", "").rpartition(".")[2]
        skip = case.find("skipped")
        if skip is not None:
            self.lacks[skip.get("message", "").removeprefix(LACKS)] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            self.failed[name] += 1
        else:
            self.passed[name] += 1

    @property
    def complaint(self) -> str:
        """The reason why there are no results, or an empty string."""
        return BROKEN if self.failed[BROKEN] else ""

    def cell(self, name: str) -> str:
        failures = f", **{self.failed[name]} failed**" if self.failed[name] else ""
        return f"{self.passed[name]}{failures}"


def find_webuis() -> list[Path]:
    listed = os.environ.get("TCD_WEBUI_DIRS")
    if listed:
        return [Path(folder) for folder in listed.split(":")]
    return sorted(folder for folder in FOLDER.iterdir() if folder.is_dir()) if FOLDER.is_dir() else []


def get_versions(webui: Path) -> list[str]:
    """Returns the versions of Python and of PACKAGES in the WebUI's environment."""
    code = (
        "import platform, sys; from importlib.metadata import version; "
        "print(platform.python_version(), *map(version, sys.argv[1:]))"
    )
    command = [find_python(webui), "-c", code, *PACKAGES]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def get_variants(webui: Path) -> dict[str, list[str]]:
    """Returns the names of a WebUI's rows in the table, with the pytest options of each."""
    known = (webui / "modules" / "shared_options.py").read_text(encoding="utf-8")
    for key, values in SETTINGS.items():
        if f'"{key}"' in known:
            return {f"{webui.name}, {value}": ["--setting", f"{key}={value}"] for value in values}
    return {webui.name: []}


def run(name: str, webui: Path, options: list[str]) -> Result:
    print(f"== tests in {name} ...", flush=True)
    result = Result(name, get_versions(webui))
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "results.xml"
        places = ["--webui", webui, "--junitxml", xml, "--basetemp", Path(folder) / "data"]  # for gigabytes of data
        command = [sys.executable, "-m", "pytest", "tests/webui", *places, *options]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"== tests in {name}\n{done.stdout}", flush=True)
        if xml.exists():
            for case in ElementTree.parse(xml).iter("testcase"):
                result.count(case)
    if done.returncode and not result.failed:  # no test was run
        result.failed[BROKEN] += 1
    return result


def run_all(webui: Path, options: list[str]) -> list[Result]:
    """Returns the results of one WebUI. If the folder has no WebUI, or one never started, its row says so."""
    try:
        return [run(name, webui, [*variant, *options]) for name, variant in get_variants(webui).items()]
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        print(f"{webui}: {error}")
        return [Result(webui.name, failed=Counter({BROKEN: 1}))]


def print_table(results: list[Result]) -> None:
    rows = [["WebUI", "Python", *PACKAGES, *COLUMNS.values()]]
    rows += [[result.name, *result.versions, *map(result.cell, COLUMNS)] for result in results]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for number, row in enumerate(rows):
        print("|", " | ".join(map(str.ljust, row, widths)), "|")
        if number == 0:
            print("|", " | ".join("-" * width for width in widths), "|")
    print()
    for result in results:
        if result.complaint:
            print(f"- {result.name}: {result.complaint}")
        if result.lacks:
            lacks = ", ".join(f"{what} ({count})" for what, count in sorted(result.lacks.items()))
            print(f"- {result.name} has no {lacks}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the host tests in WebUIs and print a table of them.")
    parser.add_argument("webuis", nargs="*", type=Path, metavar="WEBUI", help="a WebUI's folder")
    parser.add_argument("--long", action="store_true", help="run the long tests too")
    parser.add_argument("--extensions", metavar="DIR", help="other extensions for the tests, one subfolder each")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="WebUIs at a time")
    args = parser.parse_args()
    webuis = args.webuis or find_webuis()
    if not webuis:
        print(f"No WebUI found, so tests/webui were not run: TCD_WEBUI_DIRS lists none, nor is any in {FOLDER}.")
        return 0
    options = [*(["--long"] if args.long else []), *(["--extensions", args.extensions] if args.extensions else [])]
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // args.at_once)))  # for each WebUI
    with ThreadPoolExecutor(args.at_once) as pool:
        results = [result for part in pool.map(lambda webui: run_all(webui, options), webuis) for result in part]
    print_table(results)
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
