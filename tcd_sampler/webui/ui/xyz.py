"""The X/Y/Z plot's axes."""

import re
from collections.abc import Callable
from typing import Any

from ...gamma import check_gamma, parse_gamma
from ..arguments import set_argument
from ..compat.plots import find_xyz_grid, make_axis
from ..errors import bad_input
from ..names import GAMMA, HIRES_GAMMA

LABELS = {"[TCD] Gamma": (GAMMA, 0), "[TCD] Hires gamma": (HIRES_GAMMA, 1)}
"""Axis label, to the name that errors use and the script's argument that the value becomes."""

RANGE = re.compile(r"[\d.]+\s*-\s*[\d.]+\s*([(\[][\d.+\s-]*[)\]])?")
"""What the plot itself makes into several values: 0-1 (+0.1), 0-1 [5]."""


def add_axes() -> None:
    """Adds the axes that are not there yet."""
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
    grid = find_xyz_grid()
    if grid is not None:
        grid.axis_options[:] = [option for option in grid.axis_options if option.label not in LABELS]


def set_on_job(index: int) -> Callable[..., None]:
    def apply(p: Any, value: float, _: list[float]) -> None:
        set_argument(p, index, round(value, 8))  # as the plot labels it: its ranges count in 0.30000000000000004

    return apply


def split_values(field: str) -> Callable[[str], list[str]]:
    """The values as text; what is neither a gamma nor a range is refused before the plot makes numbers of them."""

    def prepare(text: str) -> list[str]:
        values = [value.strip() for value in text.split(",")]
        with bad_input():
            for value in values:
                if value and not RANGE.fullmatch(value):
                    parse_gamma(value, field)
        return values

    return prepare


def check_values(field: str) -> Callable[..., None]:
    def confirm(_: Any, values: list[float]) -> None:
        with bad_input():
            for value in values:
                check_gamma(round(value, 8), field)

    return confirm
