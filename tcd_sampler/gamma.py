"""Gamma, the stochastic parameter of TCD (gamma in Algorithm 4 of arXiv 2402.19159), from 0 to 1.

A step to timestep t first denoises to (1 - gamma) t, then adds noise to return to t.
"""

import math
from numbers import Real
from reprlib import repr as short_repr
from typing import Any

from . import messages
from .errors import UserError

DEFAULT_GAMMA = 0.3  # the authors' recommendation


def check_gamma(value: Any, field: str = "gamma", message: str = messages.BAD_GAMMA) -> float:
    """Returns the value as a float. Raises UserError, with the field's name, unless it is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:  # type: ignore[operator]
        raise UserError(message, field=field, value=short_repr(value))
    return float(value)


def parse_gamma(text: str, field: str = "gamma", message: str = messages.BAD_GAMMA) -> float:
    """Returns the gamma that a text contains, such as a value in an infotext. Raises UserError as check_gamma does."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    return check_gamma(text if math.isnan(value) else value, field, message)
