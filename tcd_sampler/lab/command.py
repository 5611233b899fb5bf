"""The command line: one parser, with a subcommand for each part of the lab and for the LoRA download.

A subcommand's module is imported when it runs, because the packages that it needs may not be installed, and take
seconds to import.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ..errors import UserError
from ..gamma import DEFAULT_GAMMA
from . import messages
from .demo.arguments import add_model

EXTRAS = {
    "parity": ("diffusers", "matplotlib", "PIL"),
    "demo": ("accelerate", "diffusers", "gradio", "numpy", "peft", "PIL", "transformers"),
}
EXTRAS["evaluation"] = tuple(dict.fromkeys(EXTRAS["demo"] + EXTRAS["parity"]))
"""The packages of pyproject.toml's extras, by the names that they are imported by."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it: 128 and the signal's number."""


def add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=7860, help="the page's port on 127.0.0.1 (default: %(default)s)")
    add_model(parser.add_argument)


def add_generate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--prompt", required=True, help="what to generate; the miniature knows the words in docs/miniature.md")
    add("--negative-prompt", default="", help="without effect at CFG scale 1")
    add("--steps", type=int, default=4, help="1 to 50 (default: %(default)s)")
    add("--gamma", default=f"{DEFAULT_GAMMA:g}", help="0 to 1 (default: %(default)s)")
    add("--seed", type=int, default=0, help="-1 for a random one (default: %(default)s)")
    add("--sampler", default="TCD", help="TCD, LCM, Euler a or DPM++ 2M (default: %(default)s)")
    add(
        "--cfg-scale",
        type=float,
        help="1 to 30 (default: 1 with a LoRA for the sampler; otherwise 7, or 3 for the miniature)",
    )
    add(
        "--size",
        type=int,
        help="pixels of each side, a multiple of 8; with --image or --control-image, of the shorter side "
        "(default: the model's)",
    )
    add("--image", type=Path, metavar="FILE", help="the image to start from (img2img); it is scaled to --size")
    add("--mask", type=Path, metavar="FILE", help="an image that is white where --image is to be inpainted")
    add("--strength", type=float, default=0.75, help="denoising strength for --image, 0 to 1 (default: %(default)s)")
    add("--output", type=Path, default=Path("tcd.png"), metavar="FILE", help="the image (default: %(default)s)")
    add_model(add)


def add_grid(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    prompt = "a red dotted mushroom on the left and a blue star on the right, on grass, at sunset"
    add("--prompt", default=prompt, help="the prompt of all images (default: %(default)s)")
    add("--seed", type=int, default=1, help="the seed of all images (default: %(default)s)")
    add("--output", type=Path, default=Path("grid.png"), metavar="FILE", help="the image (default: %(default)s)")
    add_model(add)


def add_parity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=Path("parity.png"), metavar="FILE", help="the plot (default: %(default)s)"
    )


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--webui", type=Path, metavar="DIR", help="an AUTOMATIC1111 WebUI, to time its LCM too")


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    results = Path("docs/evaluation.safetensors")
    add(
        "--results",
        type=Path,
        default=results,
        metavar="FILE",
        help="stored figures; only missing ones are measured (default: %(default)s)",
    )
    add("--output", type=Path, default=Path("evaluation.png"), metavar="FILE", help="the plot (default: %(default)s)")
    add(
        "--images",
        type=int,
        default=256,
        help="images for each method and number of UNet calls that is measured (default: %(default)s)",
    )


def add_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--folder",
        type=Path,
        default=Path("training"),
        help="for the states and logs of the runs (default: %(default)s)",
    )
    add("--output", type=Path, metavar="DIR", help="for the trained files (default: replaces the bundled ones)")
    add("--smoke", action="store_true", help="run two steps of each run, as a test")


def add_download(parser: argparse.ArgumentParser) -> None:
    import_module("tcd_sampler.loras.command").add_arguments(parser)


def add_install_miniature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("webui", type=Path, metavar="WEBUI_DIR", help="the folder of A1111 or the AMD fork")


@dataclass(frozen=True)
class Subcommand:
    """A subcommand: its module has run(args), which returns the exit status and raises UserError."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    module: str
    extra: str | None = None


SUBCOMMANDS = [
    Subcommand("demo", "serve a page that compares samplers (default)", add_demo, "lab.demo.page", "demo"),
    Subcommand("generate", "generate one image", add_generate, "lab.demo.generate", "demo"),
    Subcommand("grid", "compare samplers, steps and gammas in one image", add_grid, "lab.grid", "demo"),
    Subcommand("parity", "compare the sampler with diffusers' TCDScheduler", add_parity, "lab.parity", "parity"),
    Subcommand("benchmark", "time a sampler step with a placeholder model", add_benchmark, "lab.benchmark", "parity"),
    Subcommand(
        "benchmark-sdxl",
        "time samplers with SDXL's UNet on a GPU, and compare precisions",
        lambda parser: None,
        "lab.sdxl_benchmark",
        "demo",
    ),
    Subcommand(
        "evaluate", "print and draw image quality measurements", add_evaluate, "lab.evaluation.command", "evaluation"
    ),
    Subcommand("train", "train the miniature and its LoRAs", add_train, "lab.training.command", "evaluation"),
    Subcommand("download", "download published LoRAs", add_download, "loras.command"),
    Subcommand(
        "install-miniature",
        "copy the miniature and its LoRAs into a WebUI",
        add_install_miniature,
        "lab.miniature.install",
        "demo",
    ),
]
DEFAULT = SUBCOMMANDS[0]


class LazyParser(argparse.ArgumentParser):
    """The parser of a subcommand, which gets its arguments when that subcommand is chosen."""

    subcommand: Subcommand

    def parse_known_args(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self.subcommand.add_arguments(self)
        self.set_defaults(subcommand=self.subcommand)
        return super().parse_known_args(*args, **kwargs)


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="Demo, measurements and LoRA download.")
    choices = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=LazyParser)
    for subcommand in SUBCOMMANDS:
        description = f"{subcommand.help[0].upper()}{subcommand.help[1:].removesuffix(' (default)')}."
        child = choices.add_parser(subcommand.name, help=subcommand.help, description=description)
        child.subcommand = subcommand
    return parser


def add_default(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with the default subcommand in front if they name none."""
    named = arguments and (not arguments[0].startswith("-") or arguments[0] in ("-h", "--help"))
    return [*arguments] if named else [DEFAULT.name, *arguments]


def check_packages(subcommand: Subcommand) -> None:
    """Raises UserError if a package of the subcommand's extra is not installed."""
    for package in EXTRAS.get(subcommand.extra or "", ()):
        if find_spec(package) is None:
            names = {"command": subcommand.name, "package": package, "extra": subcommand.extra}
            raise UserError(messages.MISSING_PACKAGE, **names)


def check_files(args: argparse.Namespace) -> None:
    """Raises UserError if a file for the demo's commands is not what its option needs."""
    if args.subcommand.extra == "demo":
        import_module("tcd_sampler.lab.demo.options").check_files(args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand and returns the exit status. A UserError is printed; any other exception is a bug.

    Ctrl-C ends the command with one line and the exit status INTERRUPTED.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a Windows console or pipe may not have a prompt's characters
        sys.stdout.reconfigure(errors="backslashreplace")
    prog = "python -m tcd_sampler" if Path(sys.argv[0]).name == "__main__.py" else None
    args = make_parser(prog).parse_args(add_default(sys.argv[1:] if arguments is None else arguments))
    try:
        check_packages(args.subcommand)
        check_files(args)
        status: int = import_module(f"tcd_sampler.{args.subcommand.module}").run(args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{messages.STOPPED}", file=sys.stderr)
        return INTERRUPTED
    return status
