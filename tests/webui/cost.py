"""Measures what the extension adds to a WebUI's own time, with few and with many LoRAs in the folder.

    python -m tests.webui.cost --webui DIR [--loras 10 1000 5000] [--repeats 30] [--seconds 20] [--starts 3]

Every figure is a difference within one run. A TCD job is compared with the same job with Euler a, and the time that
either spends in the models is subtracted. Starts are compared with those of a WebUI without the extension, with the
fewest LoRAs and with the most; page loads with the fewest. The CPU columns count the WebUI's CPU time, which stays
steady when other programs keep the machine busy. Targets are printed beside the figures; missing one is not a failure.
For A1111 on Linux.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy

from tcd_sampler.lab.miniature import CHECKPOINT, LORAS
from tcd_sampler.lab.miniature.install import install_checkpoint

from ..support.browser import has_browser, start_browser
from .many_loras import write_loras
from .page import Page
from .webui import WebUI, is_target

HERE = Path(__file__).parent
THIS = {"sd-webui-tcd": HERE.parents[1]}
STOPWATCH = {"stopwatch": HERE / "stopwatch"}

LORA = "TCD-test"
PROMPT = "a house"
PROMPT_WITH_LORA = f"{PROMPT} <lora:{LORA}:1>"
PRESET = "TCD, 4 steps"

SMALL = {"width": 64, "height": 64, "seed": 7}
PLAIN = {**SMALL, "prompt": PROMPT, "steps": 1, "cfg_scale": 1}
WITH_LORA = {**PLAIN, "prompt": PROMPT_WITH_LORA}
BY_PRESET = {**SMALL, "prompt": PROMPT, "alwayson_scripts": {"TCD": {"args": [None, None, PRESET]}}}
TCD, EULER = {"sampler_name": "TCD"}, {"sampler_name": "Euler a"}
PAIRS = {
    "plain job": ({**PLAIN, **TCD}, {**PLAIN, **EULER}),
    "job with a TCD LoRA": ({**WITH_LORA, **TCD}, {**WITH_LORA, **EULER}),
    "job by preset": (BY_PRESET, {**WITH_LORA, **EULER, "steps": 4}),
}
"""Jobs with TCD, and the jobs with Euler a that they are compared with."""

JOB_TARGET, APPLY_TARGET, START_TARGET = "10 ms", "200 ms later", "0.2 s"
PAGE_LOADS = 3
FORMS = ["%.2f", "%.2f", "%+.2f"]

Cost = numpy.ndarray
"""Seconds of real time, and seconds of the WebUI's CPU time."""

Measure = Callable[[int], Cost]
Repeat = Callable[[Measure], list[Cost]]
"""Calls a measurement with 0, 1, 2, ... and returns the results."""


class TimedWebUI(WebUI):
    """A WebUI with the miniature that measures its launch and its first Reload UI."""

    model = CHECKPOINT.stem

    def make_checkpoints(self, folder: Path) -> None:
        install_checkpoint(folder)

    def __enter__(self) -> "TimedWebUI":
        self.costs: dict[str, Cost] = {}
        super().__enter__()
        return self

    def wait_for_start(self, times: int) -> None:
        """Records when the WebUI answers, then waits until its checkpoint is loaded too."""
        before = self.read_clocks()
        while self.process.poll() is None and (self.log().count("Startup time") < times or not self.answers()):
            time.sleep(0.01)
        cost = self.read_clocks() - before
        super().wait_for_start(times)
        if not self.costs:  # counts the checkpoint's whole loading: by now, launches have done different parts of it
            cost = numpy.array([cost[0], self.read_clocks()[1]])
        self.costs.setdefault("Reload UI" if self.costs else "start", cost)

    def read_clocks(self) -> Cost:
        """Returns the current time, and the CPU seconds since the WebUI's launch."""
        process_clock = ~self.process.pid << 3 | 2  # like clock_getcpuclockid(3), which Python lacks
        return numpy.array([time.perf_counter(), time.clock_gettime(process_clock)])


def make_webui(args: argparse.Namespace, name: str, extensions: dict[str, Path]) -> TimedWebUI:
    """Makes a WebUI with a new data folder. All of them share the checkpoint and the LoRAs."""
    data = args.folder / name
    data.mkdir()
    webui = TimedWebUI(args.webui, data, args.folder / "models" / "Stable-diffusion", {**extensions, **STOPWATCH})
    webui.environment["OMP_NUM_THREADS"] = "1"
    webui.lora_folder.symlink_to(args.folder / "Lora", target_is_directory=True)
    return webui


def fill_lora_folder(folder: Path, count: int) -> None:
    """Fills the folder up to that many LoRAs. One of them is a TCD LoRA for the checkpoint."""
    write_loras(folder, count - 1)
    shutil.copy(LORAS["tcd"], folder / f"{LORA}.safetensors")


def run(webui: TimedWebUI, job: dict, prompt: str) -> Cost:
    """Returns what a job costs outside the models."""
    before = webui.read_clocks()
    status, answer = webui.post("/sdapi/v1/txt2img", job)
    cost = webui.read_clocks() - before
    assert status == 200, answer
    info = json.loads(answer["info"])
    assert info["prompt"] == prompt, info["prompt"]
    return cost - info["extra_generation_params"]["model seconds"]


def measure_jobs(webui: TimedWebUI, repeat: Repeat, with_tcd: dict, with_euler: dict) -> tuple[Cost, list[Cost]]:
    """Returns what TCD adds to the first job after Reload UI, and to later ones."""
    webui.reload_ui()
    prompt = with_euler["prompt"]
    usual = numpy.median([run(webui, with_euler, prompt) for _ in range(5)], 0)
    first = run(webui, with_tcd, prompt) - usual

    def find_difference(number: int) -> Cost:
        jobs = [(1, with_tcd), (-1, with_euler)]
        return sum(sign * run(webui, job, prompt) for sign, job in (jobs if number % 2 else reversed(jobs)))

    return first, repeat(find_difference)


def measure_apply(webui: TimedWebUI, repeat: Repeat) -> tuple[Cost, list[Cost]]:
    """Returns what the first and later clicks on Apply cost."""
    webui.reload_ui()
    config = webui.get("/config")
    values = {component["id"]: component["props"].get("value") for component in config["components"]}
    values[webui.component_id("txt2img_prompt")] = PROMPT
    button = webui.component_id("txt2img_tcd_apply")
    number, press = next((i, d) for i, d in enumerate(config["dependencies"]) if is_target(button, d))
    request = {"fn_index": number, "data": [values[i] for i in press["inputs"]], "session_hash": "cost"}

    def click(_: int = 0) -> Cost:
        before = webui.read_clocks()
        status, answer = webui.post("/run/predict", request)
        cost = webui.read_clocks() - before
        assert status == 200, answer
        assert PROMPT_WITH_LORA in answer["data"], answer
        return cost

    return click(), repeat(click)


def print_jobs(webui: TimedWebUI, repeat: Repeat) -> None:
    rows = [["ms", "first", "CPU", "later", "middle half", "CPU", "middle half", "repeats", "target"]]
    for name, jobs in PAIRS.items():
        rows.append([name, *describe(*measure_jobs(webui, repeat, *jobs)), JOB_TARGET])
    rows.append(["Apply", *describe(*measure_apply(webui, repeat)), APPLY_TARGET])
    (webui.lora_folder / f"{LORA}.safetensors").unlink()
    webui.refresh_loras()
    rows.append(["plain job, no TCD LoRA", *describe(*measure_jobs(webui, repeat, *PAIRS["plain job"])), JOB_TARGET])
    print_table(rows)


def describe(first: Cost, later: list[Cost]) -> list[str]:
    """Returns the first cost, the median and quartiles of the later ones, in milliseconds, and their number."""
    low, middle, high = 1000 * numpy.quantile(later, [0.25, 0.5, 0.75], axis=0)
    columns = [f"{1000 * seconds:.1f}" for seconds in first]
    for i in (0, 1):
        columns += [f"{middle[i]:.1f}", f"{low[i]:.1f} to {high[i]:.1f}"]
    return [*columns, str(len(later))]


def measure_page(webui: TimedWebUI, browser) -> dict[str, Cost]:
    """Returns what it costs to fetch the page, and in Chromium to load it and to show the list of samplers."""
    runs = [{"page, GET /": fetch_page(webui)} for _ in range(PAGE_LOADS)]
    if browser:
        load_page(webui, browser)  # fills the browser's cache
        runs = [{**run, **load_page(webui, browser)} for run in runs]
    return {name: numpy.median([run[name] for run in runs], 0) for name in runs[0]}


def fetch_page(webui: TimedWebUI) -> Cost:
    before = webui.read_clocks()
    with urllib.request.urlopen(webui.url) as response:
        response.read()
    return webui.read_clocks() - before


def load_page(webui: TimedWebUI, browser) -> dict[str, Cost]:
    page = Page(browser.new_page(), webui)
    before = webui.read_clocks()
    page.page.goto(f"{webui.url}/?__theme=light")
    loaded = webui.read_clocks()
    page.page.wait_for_selector("#txt2img_sampling input", state="attached")
    shown = webui.read_clocks()
    page.settle()
    page.page.close()
    return {"page, load event": loaded - before, "page, samplers shown": shown - before}


def measure_start(webui: TimedWebUI, browser, with_page: bool) -> dict[str, Cost]:
    with webui:
        return {**webui.costs, **(measure_page(webui, browser) if with_page else {})}


def print_starts(without: TimedWebUI, webui: TimedWebUI, starts: int, browser, with_page: bool) -> None:
    """Starts a WebUI without the extension and one with it in turn, and prints the costs."""
    # both start with warm caches; reading the LoRAs' metadata again would take the WebUI minutes
    shutil.copytree(webui.data / "cache", without.data / "cache", dirs_exist_ok=True)
    with without:
        pass
    runs: dict[str, list[list[Cost]]] = defaultdict(list)
    for _ in range(starts):
        pair = [measure_start(one, browser, with_page) for one in (without, webui)]
        for name in pair[0]:
            runs[name].append([costs[name] for costs in pair])
    rows = [["s", "without", "with", "difference", "CPU without", "with", "difference", "target"]]
    for name, pairs in runs.items():
        columns = [(a, b, b - a) for a, b in numpy.median(pairs, 0).T]
        rows.append([name, *(form % n for column in columns for form, n in zip(FORMS, column)), START_TARGET])
    print_table(rows)


def print_installer(webui: WebUI) -> None:
    """Prints the time that install.py takes. WebUIs run it at each start, but not with the flags of these tests."""
    seconds = numpy.median([time_installer(webui) for _ in range(5)])
    print(f"  install.py adds {seconds:.2f} s to each start.")


def time_installer(webui: WebUI) -> float:
    start = time.perf_counter()
    subprocess.run([webui.python, THIS["sd-webui-tcd"] / "install.py"], check=True)
    return time.perf_counter() - start


def print_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  " + "   ".join(map(str.ljust, row, widths)).rstrip(), flush=True)


def make_repeat(repeats: int, seconds: float) -> Repeat:
    """Returns a function that repeats a measurement that often, or for that long if it is slow."""

    def repeat(measure: Measure) -> list[Cost]:
        start, results = time.monotonic(), []
        while not results or (len(results) < repeats and time.monotonic() - start < seconds):
            results.append(measure(len(results)))
        return results

    return repeat


def measure(args: argparse.Namespace, browser) -> None:
    repeat = make_repeat(args.repeats, args.seconds)
    for count in args.loras:
        fill_lora_folder(args.folder / "Lora", count)
        print(f"{count:,} LoRAs", flush=True)
        webui = make_webui(args, f"with-{count}", THIS)
        with webui:
            print_jobs(webui, repeat)
        fill_lora_folder(args.folder / "Lora", count)
        if args.starts and count in (args.loras[0], args.loras[-1]):
            without = make_webui(args, f"without-{count}", {})
            print_starts(without, webui, args.starts, browser, with_page=count == args.loras[0])
    if args.starts:
        print_installer(webui)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the extension adds to a WebUI's own time.")
    parser.add_argument("--webui", type=Path, required=True, metavar="DIR", help="the folder of an A1111")
    parser.add_argument("--loras", type=int, nargs="+", default=[10, 1000, 5000], metavar="N")
    parser.add_argument("--repeats", type=int, default=30, help="of each job, at most")
    parser.add_argument("--seconds", type=float, default=20, help="for the repeats of one job, at most")
    parser.add_argument("--starts", type=int, default=3, help="of each WebUI, or 0 to measure jobs alone")
    args = parser.parse_args()
    args.webui, args.loras = args.webui.expanduser().resolve(), sorted(set(args.loras))
    with tempfile.TemporaryDirectory() as folder, start_browser() if has_browser() else nullcontext() as browser:
        args.folder = Path(folder)
        measure(args, browser)


if __name__ == "__main__":
    main()
