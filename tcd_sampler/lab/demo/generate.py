"""Generates one image and writes it to a file."""

import argparse
import sys
from dataclasses import replace

from tqdm import tqdm

from ...errors import UserError
from ...gamma import parse_gamma
from .. import messages
from ..output import check_output, write_image
from .files import read_image
from .generation import Request, choose_seed, complete_prompt, generate, get_size
from .load import load_model
from .model import Model
from .samplers import SAMPLERS


def get_request(args: argparse.Namespace) -> Request:
    """Returns the request that the arguments describe. Raises UserError."""
    if args.sampler not in SAMPLERS:
        raise UserError(messages.UNKNOWN_SAMPLER, names=", ".join(SAMPLERS), value=args.sampler)
    request = Request(
        prompt=args.prompt,
        negative=args.negative_prompt,
        steps=args.steps,
        gamma=parse_gamma(args.gamma),
        seed=choose_seed(args.seed),
        sampler=SAMPLERS[args.sampler],
        guidance=args.cfg_scale,
        size=args.size,
        image=None if args.image is None else read_image("--image", args.image),
        mask=None if args.mask is None else read_image("--mask", args.mask),
        strength=args.strength,
    )
    request.check()
    return request


def run(args: argparse.Namespace) -> int:
    request = get_request(args)
    check_output(args.output)
    model = load_model(args)
    prompt, note = complete_prompt(model, request.prompt)
    request = replace(request, prompt=prompt)
    for line in filter(None, (note, describe_scaling(model, request))):
        print(line, file=sys.stderr)
    with tqdm(total=request.steps, desc=request.sampler.name, file=sys.stderr) as bar:
        image = generate(model, request, lambda _: bar.update())
    write_image(image, args.output)
    print(f"{image.info['parameters']}\nSaved as {args.output}.")
    return 0


def describe_scaling(model: Model, request: Request) -> str:
    """Returns a sentence for the image to start from and for the control image if it is scaled, or ""."""
    lines = []
    for field, image in (("--image", request.image), ("--control-image", model.control_image)):
        if image is not None and image.size != get_size(model, request):
            before, after = (f"{width}x{height}" for width, height in (image.size, get_size(model, request)))
            lines.append(messages.SCALED.format(field=field, before=before, after=after))
    return "\n".join(lines)
