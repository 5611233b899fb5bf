"""Draws the evaluation: quality over the number of UNet calls, and over gamma."""

from pathlib import Path
from typing import Any

from .measure import GAMMAS, REAL_IMAGES, UNET_CALLS, Point, get_name
from .table import get_best, index_points

STYLES = {  # of the methods that are drawn
    "TCD": "C0-o",
    "LCM": "C3-s",
    "Euler a": "C7--^",
    "DPM++ 2M": "C2--v",
    "DPM++ 2S": "C4--D",
    "TCD, Euler A variant": "C1:x",
    "TCD, DDPM variant": "C5:+",
}


def draw(points: list[Point], output: Path) -> None:
    """Writes the figure. TCD's line has the best gamma for each number of UNet calls."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    draw_lines(axes[0], points, "distance", "Fréchet distance to real images")
    draw_lines(axes[1], points, "accuracy", "Share of the caption in the image")
    draw_gammas(axes[2], points)
    axes[0].set_yscale("log")
    axes[0].legend(fontsize=8)
    figure.savefig(output, dpi=100)


def draw_lines(axis: Any, points: list[Point], value: str, title: str) -> None:
    found = index_points(points)
    for method, style in STYLES.items():
        line = []
        for unet_calls in UNET_CALLS:
            best = get_best(points, unet_calls)
            name = get_name(best[0]) if method == "TCD" and best else method
            if (name, unet_calls) in found:
                line.append(found[name, unet_calls])
        if line:
            errors = [getattr(point, f"{value}_error") for point in line]
            label = "TCD, best gamma" if method == "TCD" else method
            places = [point.unet_calls for point in line]
            axis.errorbar(places, [getattr(point, value) for point in line], errors, fmt=style, label=label, ms=4)
    if (REAL_IMAGES, 0) in found:
        axis.axhline(getattr(found[REAL_IMAGES, 0], value), color="black", lw=0.8, ls=":", label=REAL_IMAGES)
    set_steps(axis)
    axis.set_title(title, fontsize=10)


def draw_gammas(axis: Any, points: list[Point]) -> None:
    found = index_points(points)
    for unet_calls in UNET_CALLS[1:]:  # a single step has no gamma
        line = [(gamma, found[key]) for gamma in GAMMAS if (key := (get_name(gamma), unet_calls)) in found]
        if line:
            distances = [point.distance for _, point in line]
            axis.plot([gamma for gamma, _ in line], distances, "o-", ms=3, label=f"{unet_calls}")
    axis.set_xlabel("gamma")
    axis.set_title("TCD's Fréchet distance over gamma", fontsize=10)
    axis.legend(fontsize=8, ncols=2, title="steps")


def set_steps(axis: Any) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xticks(UNET_CALLS, [str(unet_calls) for unet_calls in UNET_CALLS])
    axis.set_xlabel("UNet calls")
