"""The command grid: compares samplers at 2 to 20 steps, and four gammas, in one image.

LCM is left out without a LoRA for it.
"""

import argparse
import sys
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .demo.generation import Request, complete_prompt, generate
from .demo.load import load_model
from .demo.model import Model
from .demo.samplers import SAMPLERS
from .demo.strips import get_samplers
from .output import check_output, write_image

STEPS = (2, 4, 8, 20)
GAMMAS = (0.0, 0.3, 0.6, 1.0)
GAMMA_STEPS = 8

SIDE = 256
"""Pixels of an image's side in the grid."""

LABEL = 28
"""Pixels of a label's height."""


def draw_grid(model: Model, request: Request) -> Image.Image:
    """Returns a row of images for each sampler over steps, and a row over gamma below them.

    Samplers whose LoRA the model lacks are left out, except TCD.
    """
    rows = [
        {f"{sampler.name}, {steps} steps": replace(request, sampler=sampler, steps=steps) for steps in STEPS}
        for sampler in get_samplers(model, SAMPLERS.values())
    ]
    rows.append(
        {
            f"TCD, {GAMMA_STEPS} steps, gamma {gamma:g}": replace(request, steps=GAMMA_STEPS, gamma=gamma)
            for gamma in GAMMAS
        }
    )
    columns = max(map(len, rows))
    grid = Image.new("RGB", (columns * SIDE, len(rows) * (SIDE + LABEL)), "white")
    draw, font = ImageDraw.Draw(grid), ImageFont.load_default(15)
    for y, row in enumerate(rows):
        for x, (label, one) in enumerate(row.items()):
            left, top = x * SIDE, y * (SIDE + LABEL)
            draw.text((left + SIDE // 2, top + LABEL // 2), label, "black", font, anchor="mm")
            grid.paste(ImageOps.pad(generate(model, one), (SIDE, SIDE), color="white"), (left, top + LABEL))
    return grid


def run(args: argparse.Namespace) -> int:
    request = Request(args.prompt, seed=args.seed)
    request.check()
    check_output(args.output)
    model = load_model(args)
    prompt, note = complete_prompt(model, request.prompt)
    if note:
        print(note, file=sys.stderr)
    request = replace(request, prompt=prompt)
    grid = draw_grid(model, request)
    grid.info["parameters"] = request.prompt
    write_image(grid, args.output)
    print(f"Saved as {args.output}.")
    return 0
