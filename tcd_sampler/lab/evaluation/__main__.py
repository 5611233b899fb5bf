"""Measures TCD beside LCM, its teacher and other TCDs on the miniature, prints the figures and draws them.

    python -m tcd_sampler.lab.evaluation [--results docs/evidence.json] [--output evidence.png] [--pictures 256]

What RESULTS has already is not measured again: with the file of the repository it takes seconds, and without it about
an hour on two cores. Wants pip install ".[evidence]".
"""

import argparse
import warnings
from pathlib import Path

from .draw import draw
from .measure import measure_all
from .table import print_table

RESULTS = Path("docs/evidence.json")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures TCD beside LCM, its teacher and other TCDs.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where they are kept (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("evidence.png"), help="the picture (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=256, help="of each point that is measured (default: 256)")
    args = parser.parse_args()
    if args.pictures < 128:
        parser.error("--pictures must be 128 or more: the distance is one of covariances of 64 features.")
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
    points = measure_all(args.pictures, args.results)
    print_table(points)
    draw(points, args.output)
    print(f"Drawn in {args.output}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
