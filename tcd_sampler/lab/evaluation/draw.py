"""Draws the evaluation: quality against the number of evaluations, and gamma against it."""

from pathlib import Path
from typing import Any

from .measure import EVALUATIONS, GAMMAS, REAL_IMAGES, Point, get_name
from .table import by_key, get_best

SHOWN = {  # what is drawn of the methods, and how
    "TCD": "C0-o",
    "LCM": "C3-s",
    "Euler a": "C7--^",
    "DPM++ 2M": "C2--v",
    "DPM++ 2S": "C4--D",
    "TCD, Euler A variant": "C1:x",
    "TCD, DDPM variant": "C5:+",
}


def draw(points: list[Point], output: Path) -> None:
    """TCD's line is that of the best gamma at each number of evaluations."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    draw_lines(axes[0], points, "distance", "Fréchet distance to real images")
    draw_lines(axes[1], points, "accuracy", "share of the caption that is right")
    draw_gammas(axes[2], points)
    axes[0].set_yscale("log")
    axes[0].legend(fontsize=8)
    figure.savefig(output, dpi=100)


def draw_lines(axis: Any, points: list[Point], value: str, title: str) -> None:
    found = by_key(points)
    for method, style in SHOWN.items():
        line = []
        for evaluations in EVALUATIONS:
            best = get_best(points, evaluations)
            name = get_name(best[0]) if method == "TCD" and best else method
            if (name, evaluations) in found:
                line.append(found[name, evaluations])
        if line:
            errors = [getattr(point, f"{value}_error") for point in line]
            label = "TCD, best gamma" if method == "TCD" else method
            places = [point.evaluations for point in line]
            axis.errorbar(places, [getattr(point, value) for point in line], errors, fmt=style, label=label, ms=4)
    if (REAL_IMAGES, 0) in found:
        axis.axhline(getattr(found[REAL_IMAGES, 0], value), color="black", lw=0.8, ls=":")
    set_steps(axis)
    axis.set_title(title, fontsize=10)


def draw_gammas(axis: Any, points: list[Point]) -> None:
    found = by_key(points)
    for evaluations in EVALUATIONS[1:]:  # a single step has no gamma
        line = [(gamma, found[key]) for gamma in GAMMAS if (key := (get_name(gamma), evaluations)) in found]
        if line:
            distances = [point.distance for _, point in line]
            axis.plot([gamma for gamma, _ in line], distances, "o-", ms=3, label=f"{evaluations}")
    axis.set_xlabel("gamma")
    axis.set_title("TCD's Fréchet distance by gamma and steps", fontsize=10)
    axis.legend(fontsize=8, ncols=2)


def set_steps(axis: Any) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xticks(EVALUATIONS, [str(evaluations) for evaluations in EVALUATIONS])
    axis.set_xlabel("evaluations of the model")
