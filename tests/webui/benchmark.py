"""Times TCD with and without the negative prompt in a WebUI on the CPU, and other samplers of the WebUI.

    python -m tests.webui.benchmark --webui DIR [--checkpoint FILE] [--sizes 512 768] [--batches 1 4] [--steps 4]

All jobs have CFG scale 1. They run in turn, and the table shows medians. Ratios are relative to the WebUI's LCM in the
same run. Without --checkpoint, the jobs use the tests' small checkpoint in SD 1.5's layout, whose UNet has one level
instead of four. Linux only.
"""

import argparse
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median

from .jobs import OPTION, Jobs
from .webui import WebUI

HERE = Path(__file__).parent
EXTENSIONS = {"sd-webui-tcd": HERE.parents[1], "probe": HERE / "probe", "meter": HERE / "meter"}

SETTINGS = {"cross_attention_optimization": "sdp - scaled dot product", "live_previews_enable": False}
"""The attention is the one that a GPU would use. A1111's choice for CPUs is slow at these sizes."""

REFERENCE = "LCM"
CONTESTANTS = {
    "TCD": {"sampler_name": "TCD"},
    f"TCD, {OPTION} off": {"sampler_name": "TCD", "override_settings": {OPTION: False}},
    REFERENCE: {"sampler_name": "LCM"},
    "Euler a": {"sampler_name": "Euler a"},
}
COLUMNS = ["prompts per step", "sampling, s", "ratio", "whole job, s", "ratio", "memory, MB"]
"""Prompts evaluated per image and step, seconds per image, and the memory that sampling takes beyond the model."""


def measure(jobs: Jobs, images: int, **fields: object) -> list[float]:
    """Returns one job's prompts per image and step, seconds per image (sampling, all), and bytes beyond the model."""
    start = time.perf_counter()
    result = jobs.txt2img(record=True, batch_size=images, **fields)
    seconds = time.perf_counter() - start
    costs = result.info["extra_generation_params"]["costs"]
    return [result.rows, costs["seconds"] / images, seconds / images, costs["bytes"]]


def compare(jobs: Jobs, repeats: int, images: int, **fields: object) -> dict[str, list[float]]:
    """Returns the medians of each contestant."""
    runs = {name: [] for name in CONTESTANTS}
    for _, (name, contestant) in product(range(repeats), CONTESTANTS.items()):
        runs[name].append(measure(jobs, images, **fields, **contestant))
    return {name: [median(values) for values in zip(*costs)] for name, costs in runs.items()}


def print_table(results: dict[str, list[float]]) -> None:
    _, sampling, job, _ = results[REFERENCE]
    lines = [["", *COLUMNS]]
    for name, costs in results.items():
        numbers = [costs[0], costs[1], costs[1] / sampling, costs[2], costs[2] / job]
        lines.append([name, *(f"{number:.2f}" for number in numbers), f"{costs[3] / 1e6:.0f}"])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  " + "   ".join(map(str.ljust, line, widths)).rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time TCD and other samplers at CFG scale 1 in a WebUI.")
    parser.add_argument("--webui", type=Path, required=True, metavar="DIR", help="a WebUI's folder")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="one to generate with in place of the tests'")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 768], metavar="PIXELS")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], metavar="IMAGES")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each job")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, checkpoints = Path(folder) / "data", Path(folder) / "models" / "Stable-diffusion"
        checkpoints.mkdir(parents=True)
        data.mkdir()
        name = "small-sd15.safetensors"
        if args.checkpoint:
            name = f"own-{args.checkpoint.name}"
            (checkpoints / name).symlink_to(args.checkpoint.resolve())
        settings = {**SETTINGS, "sd_model_checkpoint": name}
        with WebUI(args.webui.expanduser().resolve(), data, checkpoints, EXTENSIONS, settings=settings) as webui:
            jobs = Jobs(webui, Path(folder))
            compare(jobs, 1, 1)  # warms up, for what is done only once
            for size, images in product(args.sizes, args.batches):
                print(f"{size}x{size}, {images} image{'s' * (images > 1)}, {args.steps} steps")
                print_table(compare(jobs, args.repeats, images, width=size, height=size, steps=args.steps))


if __name__ == "__main__":
    main()
