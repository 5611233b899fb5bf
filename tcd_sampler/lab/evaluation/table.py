"""Prints the evaluation: every quantity, the differences between gammas, and the authors' claims."""

from .bootstrap import CONFIDENCE, Estimate
from .claims import CLAIMS, MARGINS, Claim, Point
from .estimates import DISTANCE, Estimates
from .methods import DEFAULT, ENCODED, GAMMA_CALLS, GAMMAS, METHODS, REAL, UNET_CALLS, get_name
from .results import ACCURACY, BITS, CONTRAST, PRECISION, RECALL

TITLES = {
    DISTANCE: "Fréchet distance to real images (less is better)",
    ACCURACY: "Share of the caption in the image (more is better)",
    CONTRAST: "Fine contrast, in levels of 256",
    BITS: "JPEG bits per pixel",
    PRECISION: "Precision: the share of generated images among the real ones of the same caption",
    RECALL: "Recall: the share of real images among the generated ones of the same caption",
}


def print_rows(estimates: Estimates, quantity: str) -> None:
    """Prints a quantity of all methods, with its standard error, over the numbers of UNet calls."""
    print(f"\n{TITLES[quantity]}\n{'UNet calls':<38}" + "".join(f"{calls:<14}" for calls in UNET_CALLS))
    for method in METHODS:
        cells = [(method.name, calls) for calls in UNET_CALLS]
        if any(estimates.has(*cell, quantity) for cell in cells):
            print(f"{method.name:<38}" + "".join(f"{write(estimates, cell, quantity):<14}" for cell in cells))
    for name in (ENCODED, REAL):
        if estimates.has(name, 0, quantity):
            print(f"{name:<38}{write(estimates, (name, 0), quantity)}")


def write(estimates: Estimates, point: Point, quantity: str) -> str:
    if not estimates.has(*point, quantity):
        return "-"
    estimate = estimates.get(*point, quantity)
    digits = 1 if quantity == DISTANCE else 3
    return f"{estimate.value:.{digits}f} ±{estimate.error:.{digits}f}"


def write_interval(difference: Estimate) -> str:
    low, high = difference.interval
    return f"{difference.value:+.2f} ({low:+.2f} to {high:+.2f})"


def write_difference(claim: Claim) -> str:
    """Returns the two points of a claim, with their numbers of UNet calls."""
    return " minus ".join(f"{name} ({calls})" if calls else name for name, calls in (claim.point, claim.other))


def print_gammas(estimates: Estimates) -> None:
    """Prints the distance of every gamma minus that of the default one."""
    print(f"\nFréchet distance minus that of {DEFAULT}")
    print(f"{'UNet calls':<16}" + "".join(f"{calls:<26}" for calls in GAMMA_CALLS))
    for name in (get_name(gamma) for gamma in GAMMAS):
        if name != DEFAULT:
            cells = [
                write_interval(estimates.get(name, calls, DISTANCE) - estimates.get(DEFAULT, calls, DISTANCE))
                for calls in GAMMA_CALLS
            ]
            print(f"{name:<16}" + "".join(f"{cell:<26}" for cell in cells))


def print_claims(estimates: Estimates) -> None:
    margins = " and ".join(f"{margin:g} in {quantity}" for quantity, margin in MARGINS.items())
    print(f"\nThe authors' claims, with intervals of {CONFIDENCE:.0%}. No harm and no collapse allow {margins}.")
    for claim in CLAIMS:
        difference = claim.get_difference(estimates)
        compared = f"{claim.quantity}: {write_difference(claim)}"
        print(f"{claim.judge(difference).value:<13}{claim.text:<40}{compared:<76}{write_interval(difference)}")


def print_table(estimates: Estimates) -> None:
    for quantity in TITLES:
        print_rows(estimates, quantity)
    print_gammas(estimates)
    print_claims(estimates)
