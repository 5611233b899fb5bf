"""Draws the evaluation: the distance to real images over the number of UNet calls."""

from pathlib import Path

from ..demo.samplers import EULER_A, LCM
from .estimates import DISTANCE, Estimates
from .methods import DEFAULT, DPM_2S, ENCODED, UNET_CALLS, get_name

TITLE = "From 4 steps on, TCD is closer to real images than LCM"

STYLES = {  # of the methods that are drawn; dashed lines use CFG
    DEFAULT: "C0-o",
    get_name(0): "C9-o",
    LCM.name: "C3-s",
    DPM_2S.name: "C4--D",
    EULER_A.name: "C7--^",
}


def draw(estimates: Estimates, output: Path) -> None:
    """Writes the figure."""
    from matplotlib import pyplot, ticker

    figure, axis = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for method, style in STYLES.items():
        label = f"{method}, CFG 3" if "--" in style else method
        places = [calls for calls in UNET_CALLS if estimates.has(method, calls, DISTANCE)]
        line = [estimates.get(method, calls, DISTANCE) for calls in places]
        axis.errorbar(
            places, [point.value for point in line], [point.error for point in line], fmt=style, label=label, ms=5
        )
    best = estimates.get(ENCODED, 0, DISTANCE).value
    axis.axhline(best, color="black", lw=0.8, ls=":", label=ENCODED)
    axis.set(xscale="log", yscale="log", xlabel="UNet calls", ylabel="Fréchet distance to real images")
    axis.set_ylim(8, 100)  # undistilled samplers start far above
    axis.set_yticks(ticks := (10, 20, 50, 100), [str(tick) for tick in ticks])
    axis.yaxis.set_minor_locator(ticker.NullLocator())
    axis.set_xticks(UNET_CALLS, [str(calls) for calls in UNET_CALLS])
    axis.set_title(TITLE, loc="left", fontsize=13, weight="bold")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(output, dpi=100)
