"""Reads gammas from infotexts: PNG Info, "send to", and the API's infotext field."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ...errors import UserError
from ...gamma import parse_gamma
from ..compat.schedules import keep_automatic_schedule
from ..errors import bad_input
from ..names import GAMMA, HIRES_GAMMA, NAME, SAME
from ..translation import translate


class InfotextField(str):
    """An infotext key that is also a function that reads its value. The host accepts a key or a function.

    "Send to" needs the key to find the same field in another tab. The function rejects invalid values in requests.
    """

    read: Callable[[dict[str, str]], Any]

    def __new__(cls, key: str, read: Callable[[dict[str, str]], Any]) -> "InfotextField":
        field = super().__new__(cls, key)
        field.read = read
        return field

    def __call__(self, params: dict[str, str]) -> Any:
        with bad_input():
            return self.read(params)


def read_gamma(params: dict[str, str]) -> float | None:
    """Returns the gamma in an infotext, or None. Raises UserError if it is not a number from 0 to 1."""
    return parse_gamma(params[GAMMA], GAMMA) if GAMMA in params else None


def read_hires_gamma(params: dict[str, str]) -> str | None:
    """Returns the hires gamma in an infotext: as text, "same" if only the first pass's is there, or None.

    Raises UserError if it is not a number from 0 to 1.
    """
    if HIRES_GAMMA in params:
        return f"{parse_gamma(params[HIRES_GAMMA], HIRES_GAMMA):g}"
    return SAME if GAMMA in params else None


def check_pasted(infotext: str, params: dict[str, Any]) -> None:
    """Keeps TCD's own schedule "Automatic" in a pasted infotext, and removes invalid gammas with a warning."""
    keep_automatic_schedule(infotext, params, NAME, NAME)
    for key in (GAMMA, HIRES_GAMMA):
        try:
            parse_gamma(params.get(key, "0"), key)
        except UserError as error:
            gr.Warning(translate(error.message))
            del params[key]
