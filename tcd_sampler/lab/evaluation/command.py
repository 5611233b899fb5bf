"""The command evaluate: measures TCD, LCM, undistilled samplers and other TCD samplers on the miniature.

RESULTS keeps what is measured, and only what is missing in it is measured. With docs/evaluation.safetensors the command
takes a minute, without it over an hour on two cores.
"""

import argparse
import warnings

from ...errors import UserError
from .. import messages
from ..output import check_folder, check_output, writing
from .draw import draw
from .estimates import Estimates
from .measure import measure_all
from .results import read_results
from .table import print_table

MIN_IMAGES = 128
"""The Fréchet distance compares covariances of 64 features, which need more images than features."""


def run(args: argparse.Namespace) -> int:
    if args.images < MIN_IMAGES:
        raise UserError(messages.TOO_FEW_IMAGES, low=MIN_IMAGES, value=args.images)
    check_output(args.output)
    check_folder("--results", args.results)
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
    results = read_results(args.results)
    measure_all(results, args.images)
    estimates = Estimates(results)
    print_table(estimates)
    with writing(args.output):
        draw(estimates, args.output)
    print(f"Drawn in {args.output}.")
    return 0
