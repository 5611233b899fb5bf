"""TCD without a WebUI.

    python -m tcd_sampler [--port 7860]
    python -m tcd_sampler --prompt "a red ball on the left, on grass, by day" --output picture.png

Without a prompt, a page in the browser. The model is the miniature, which comes with this package, or any checkpoint of
SDXL or SD 1.5 in one file. Wants pip install ".[demo]".
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...gamma import DEFAULT_GAMMA, parse_gamma
from .errors import first_line, is_out_of_memory

if TYPE_CHECKING:  # the imports take seconds, and --help should not
    from PIL import Image

    from .model import Model
    from .painting import Request

PORT = 7860


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tcd_sampler", description="TCD without a WebUI.")
    add = parser.add_argument
    add("--prompt", help="what to paint; without it, a page opens in the browser")
    add("--negative-prompt", default="", help="what not to paint; without effect where guidance is distilled")
    add("--steps", type=int, default=4, help="1 to 50 (default: 4)")
    add("--gamma", default=f"{DEFAULT_GAMMA:g}", help="0 to 1 (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--sampler", default="TCD", help="TCD, LCM, Euler a or DPM++ 2M (default: TCD)")
    add("--cfg-scale", type=float, help="1 to 30 (default: 1 with a LoRA, else what suits the model)")
    add("--size", type=int, help="pixels of a side, in eights (default: the model's)")
    add("--image", type=Path, help="a picture to start from")
    add("--mask", type=Path, help="a picture, white where --image is to be painted anew")
    add("--strength", type=float, default=0.75, help="how much of --image to give up, 0 to 1 (default: 0.75)")
    add("--output", type=Path, default=Path("tcd.png"), help="the picture to write (default: %(default)s)")
    add("--checkpoint", type=Path, help="a .safetensors checkpoint of SDXL or SD 1.5 (default: the miniature)")
    add("--lora", type=Path, help="a TCD-LoRA for --checkpoint")
    add("--config", help="the checkpoint's configuration in diffusers' layout: a folder or a repository of the hub")
    add("--port", type=int, default=PORT, help="the page's port on 127.0.0.1 (default: %(default)s)")
    return parser


def load(args: argparse.Namespace) -> "Model":
    if args.checkpoint is None:
        if args.lora is not None:
            raise ValueError("--lora needs a --checkpoint: the miniature has its own.")
        from .miniature import load_miniature

        return load_miniature()
    from .checkpoint import load_checkpoint

    return load_checkpoint(args.checkpoint, args.lora, args.config)


def get_request(args: argparse.Namespace) -> "Request":
    from .painting import Request
    from .samplers import SAMPLERS

    if args.sampler not in SAMPLERS:
        raise ValueError(f"--sampler must be one of {', '.join(SAMPLERS)}, not {args.sampler}.")
    request = Request(
        prompt=args.prompt,
        negative=args.negative_prompt,
        steps=args.steps,
        gamma=parse_gamma(args.gamma),
        seed=args.seed,
        sampler=SAMPLERS[args.sampler],
        guidance=args.cfg_scale,
        size=args.size,
        image=None if args.image is None else open_picture("--image", args.image),
        mask=None if args.mask is None else open_picture("--mask", args.mask),
        strength=args.strength,
    )
    request.check()
    return request


def open_picture(option: str, path: Path) -> "Image.Image":
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{option}: {path} cannot be read as a picture ({first_line(error)}).") from error


def check_output(path: Path) -> None:
    """ValueError before anything is painted, where the picture could not be written after it."""
    from PIL import Image

    if not path.parent.is_dir():
        raise ValueError(f"--output: {path} cannot be written (there is no folder {path.parent}).")
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"--output: {path} cannot be written (no kind of picture ends in {path.suffix or 'nothing'}).")


def paint_one(args: argparse.Namespace) -> None:
    from PIL.PngImagePlugin import PngInfo

    from .painting import paint

    request = get_request(args)
    check_output(args.output)
    model = load(args)
    with tqdm(total=request.steps, desc=request.sampler.name, file=sys.stderr) as bar:
        picture = paint(model, request, lambda _: bar.update())
    settings = PngInfo()
    settings.add_text("parameters", request.describe(model))
    try:
        picture.save(args.output, pnginfo=settings)
    except (OSError, ValueError) as error:
        raise ValueError(f"--output: {args.output} cannot be written ({first_line(error)}).") from error
    print(f"{request.describe(model)}\nSaved as {args.output}.")


def open_page(args: argparse.Namespace) -> None:
    from .page import check_port, launch

    check_port(args.port)
    launch(load(args), args.port)


def fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def main(arguments: list[str] | None = None) -> int:
    args = make_parser().parse_args(arguments)
    try:
        if args.prompt is None:
            open_page(args)
        else:
            paint_one(args)
    except ImportError as error:
        return fail(f'{error.name} is not installed: pip install ".[demo]" installs all that this wants.')
    except ValueError as error:
        return fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return fail("There is not enough memory for this model and size: try a smaller --size.")
    return 0
