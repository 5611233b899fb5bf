"""Gamma, the share of the way down to timestep 0 that a step jumps too far and takes back in noise."""

import math
from numbers import Real
from reprlib import repr as short_repr
from typing import Any

from . import messages
from .errors import UserError

DEFAULT_GAMMA = 0.3  # what the authors recommend


def check_gamma(value: Any, field: str = "gamma") -> float:
    """The value as a float; UserError, naming the field, where it is not a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:  # type: ignore[operator]
        raise UserError(messages.BAD_GAMMA, field=field, value=short_repr(value))
    return float(value)


def parse_gamma(text: str, field: str = "gamma") -> float:
    """The same, out of text such as an infotext's."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    return check_gamma(text if math.isnan(value) else value, field)
