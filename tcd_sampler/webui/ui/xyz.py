"""The extension's axes of the X/Y/Z plot."""

import re
from collections.abc import Callable
from typing import Any

from ...gamma import check_gamma, parse_gamma
from ..arguments import set_argument
from ..compat.plots import find_xyz_grid, make_axis
from ..errors import bad_input
from ..names import GAMMA, HIRES_GAMMA

LABELS = {"[TCD] Gamma": (GAMMA, 0), "[TCD] Hires gamma": (HIRES_GAMMA, 1)}
"""Axis labels, with the field name for errors and the index of the script's argument."""

RANGE = re.compile(r"[\d.]+\s*-\s*[\d.]+\s*([(\[][\d.+\s-]*[)\]])?")
"""Ranges that the plot expands into several values: 0-1 (+0.1), 0-1 [5]."""


def add_axes() -> None:
    """Adds the axes to the plot, if there is one and it does not have them yet."""
    grid = find_xyz_grid()
    if grid is None:
        return
    present = {option.label for option in grid.axis_options}
    for label, (field, index) in LABELS.items():
        if label not in present:
            checks = {"prepare": split_values(field), "confirm": check_values(field)}
            axis = make_axis(grid, label, float, set_on_job(index), **checks, txt2img_only=field == HIRES_GAMMA)
            grid.axis_options.append(axis)


def remove_axes() -> None:
    """Removes the axes from the plot."""
    grid = find_xyz_grid()
    if grid is not None:
        grid.axis_options[:] = [option for option in grid.axis_options if option.label not in LABELS]


def set_on_job(index: int) -> Callable[..., None]:
    """Returns the axis function that sets an argument of a cell's job."""

    def apply(p: Any, value: float, _: list[float]) -> None:
        set_argument(p, index, round(value, 8))  # like the labels: ranges give values such as 0.30000000000000004

    return apply


def split_values(field: str) -> Callable[[str], list[str]]:
    """Returns the axis function that splits the text into values.

    It raises BadInput for a value that is neither a gamma nor a range, before the plot converts values to numbers.
    """

    def prepare(text: str) -> list[str]:
        values = [value.strip() for value in text.split(",")]
        with bad_input():
            for value in values:
                if value and not RANGE.fullmatch(value):
                    parse_gamma(value, field)
        return values

    return prepare


def check_values(field: str) -> Callable[..., None]:
    """Returns the axis function that checks the values. It raises BadInput for a value that is not a gamma."""

    def confirm(_: Any, values: list[float]) -> None:
        with bad_input():
            for value in values:
                check_gamma(round(value, 8), field)

    return confirm
