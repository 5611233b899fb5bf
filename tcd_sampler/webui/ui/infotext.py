"""Gammas out of pasted infotexts: PNG Info, "send to", and the API's infotext field."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ...errors import UserError
from ...gamma import parse_gamma
from ..compat.schedules import drop_automatic_schedule
from ..errors import bad_input
from ..names import GAMMA, HIRES_GAMMA, NAME, SAME
from ..translation import translate


class InfotextField(str):
    """An infotext key that also reads its value, as the host lets either do.

    The key is how "send to" finds the same field in another tab; the function is how a request's bad value is refused.
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
    return parse_gamma(params[GAMMA], GAMMA) if GAMMA in params else None


def read_hires_gamma(params: dict[str, str]) -> str | None:
    """Absent where it is the first pass's, but only an image made with TCD says so."""
    if HIRES_GAMMA in params:
        return f"{parse_gamma(params[HIRES_GAMMA], HIRES_GAMMA):g}"
    return SAME if GAMMA in params else None


def check_pasted(_: str, params: dict[str, Any]) -> None:
    """Pastes TCD's own schedule as Automatic; says in the page which gamma cannot be pasted, and leaves its control."""
    drop_automatic_schedule(params, NAME, NAME)
    for key in (GAMMA, HIRES_GAMMA):
        try:
            parse_gamma(params.get(key, "0"), key)
        except UserError as error:
            gr.Warning(translate(error.message))
            del params[key]
