"""Measures TCD beside LCM, its teacher and other TCDs on the miniature, prints the figures and draws them: `tcd evaluate`.

It does not measure again what RESULTS contains. With docs/evidence.json that takes seconds, without it about an hour on
two cores.
"""

import argparse
import warnings

from ...errors import UserError
from .. import messages
from .draw import draw
from .measure import measure_all
from .table import print_table

MIN_IMAGES = 128
"""The Fréchet distance compares covariances of 64 features, which need more images than features."""


def run(args: argparse.Namespace) -> int:
    if args.images < MIN_IMAGES:
        raise UserError(messages.TOO_FEW_IMAGES, low=MIN_IMAGES, value=args.images)
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
    points = measure_all(args.images, args.results)
    print_table(points)
    draw(points, args.output)
    print(f"Drawn in {args.output}.")
    return 0
