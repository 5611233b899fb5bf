"""Runs the host tests in WebUIs, one after the other, and prints the README's table of them.

    python -m tests.host.report [--long] [WEBUI ...]

Without a WebUI's folder, those that TCD_WEBUI_DIRS lists (a:b:c), else those in ~/.cache/sd-webui-tcd/webuis. Ends with
1 if a test failed anywhere.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from .webui import find_python

ROOT = Path(__file__).parents[2]
FOLDER = Path.home() / ".cache" / "sd-webui-tcd" / "webuis"
PACKAGES = ["torch", "gradio", "pydantic"]
COLUMNS = {
    "test_exact": "latents",
    "test_seeds": "seeds",
    "test_life": "jobs",
    "test_bad_input": "bad input",
    "test_page": "page",
    "test_reload": "reload",
}
"""What the README calls the tests of a file."""

SETTINGS = {"sd_sampling": ["A1111", "ldm patched (Comfy)"]}
"""Settings that make another WebUI of one, by what it computes with: the tests are run with each value."""

NEEDS = "this WebUI has no "


@dataclass
class Result:
    """What the tests made of one WebUI."""

    versions: list[str]
    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lacks: Counter[str] = field(default_factory=Counter)

    def count(self, case: ElementTree.Element) -> None:
        name = case.get("classname", "").rpartition(".")[2]
        skip = case.find("skipped")
        if skip is not None:
            self.lacks[skip.get("message", "").removeprefix(NEEDS)] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            self.failed[name] += 1
        else:
            self.passed[name] += 1

    def cell(self, name: str) -> str:
        failures = f", **{self.failed[name]} failed**" if self.failed[name] else ""
        return f"{self.passed[name]}{failures}"


def find_webuis() -> list[Path]:
    listed = os.environ.get("TCD_WEBUI_DIRS")
    if listed:
        return [Path(folder) for folder in listed.split(":")]
    return sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []


def get_versions(webui: Path) -> list[str]:
    """Python's, and those of PACKAGES, in the WebUI's environment."""
    code = (
        "import platform, sys; from importlib.metadata import version; "
        "print(platform.python_version(), *map(version, sys.argv[1:]))"
    )
    command = [find_python(webui), "-c", code, *PACKAGES]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def get_variants(webui: Path) -> dict[str, list[str]]:
    """The rows of a WebUI in the table, and the options that they are run with."""
    known = (webui / "modules" / "shared_options.py").read_text(encoding="utf-8")
    for key, values in SETTINGS.items():
        if f'"{key}"' in known:
            return {f"{webui.name}, {value}": ["--setting", f"{key}={value}"] for value in values}
    return {webui.name: []}


def run(name: str, webui: Path, options: list[str]) -> Result:
    print(f"== tests in {name}", flush=True)
    result = Result(get_versions(webui))
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", "tests/host", "--webui", webui, "--junitxml", xml, *options]
        if subprocess.run(command, cwd=ROOT).returncode and not xml.exists():
            result.failed["test_life"] += 1  # it did not come to any test
            return result
        for case in ElementTree.parse(xml).iter("testcase"):
            result.count(case)
    return result


def print_table(results: dict[str, Result]) -> None:
    rows = [["WebUI", "Python", *PACKAGES, *COLUMNS.values()]]
    rows += [[name, *result.versions, *map(result.cell, COLUMNS)] for name, result in results.items()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for number, row in enumerate(rows):
        print("|", " | ".join(map(str.ljust, row, widths)), "|")
        if number == 0:
            print("|", " | ".join("-" * width for width in widths), "|")
    print()
    for name, result in results.items():
        if result.lacks:
            lacks = ", ".join(f"{what} ({count})" for what, count in sorted(result.lacks.items()))
            print(f"- {name} has no {lacks}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the host tests in WebUIs and print a table of them.")
    parser.add_argument("webuis", nargs="*", type=Path, metavar="WEBUI", help="a WebUI's folder")
    parser.add_argument("--long", action="store_true", help="run the long tests too")
    args = parser.parse_args()
    webuis = args.webuis or find_webuis()
    if not webuis:
        print(f"No WebUI found, so tests/host were not run: TCD_WEBUI_DIRS lists none, nor is any in {FOLDER}.")
        return 0
    options = ["--long"] if args.long else []
    results = {
        name: run(name, webui, [*variant, *options])
        for webui in webuis
        for name, variant in get_variants(webui).items()
    }
    print_table(results)
    return 1 if any(result.failed for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
