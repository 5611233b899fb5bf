"""Which gammas a job runs with. They travel on the job itself, so that no other can see them.

Each comes from the first that says so: an X/Y/Z axis, the script's argument, the request's eta, the setting.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from modules import sd_samplers

from ..gamma import DEFAULT_GAMMA, check_gamma, parse_gamma
from .errors import BadInput, bad_input
from .host import get_option
from .names import DEFAULT_GAMMA_OPTION, GAMMA, HIRES_GAMMA, NAME, SAME


class Argument(Enum):
    """NOT_GIVEN is what an API request's script argument is where the request has none."""

    NOT_GIVEN = "not given"


NOT_GIVEN = Argument.NOT_GIVEN


@dataclass(frozen=True)
class Gammas:
    """A job's gammas."""

    first: float
    hires: float


def is_tcd(sampler_name: str | None) -> bool:
    """Whether a sampler's name, or alias, is ours."""
    config = sd_samplers.find_sampler_config(sampler_name) if sampler_name else None
    return config is not None and config.name == NAME


def uses_tcd(p: Any) -> bool:
    """Whether any pass of the job is sampled with TCD."""
    hires_sampler_name = getattr(p, "hr_sampler_name", None) or p.sampler_name
    return is_tcd(p.sampler_name) or (getattr(p, "enable_hr", False) and is_tcd(hires_sampler_name))


def prepare(p: Any, gamma: Any = NOT_GIVEN, hires_gamma: Any = NOT_GIVEN) -> None:
    """Settles the gammas of a job that uses TCD, and its infotext; clears both from any other's.

    BadInput if a gamma is not a number from 0 to 1, or if the checkpoint is of a family TCD has no meaning for.
    """
    p.tcd_gammas = None
    for key in (GAMMA, HIRES_GAMMA):  # a plot's cells share the dictionary
        p.extra_generation_params.pop(key, None)
    if not uses_tcd(p):
        return
    with bad_input():
        first = choose_gamma(p, gamma)
        p.tcd_gammas = Gammas(first, choose_hires_gamma(p, hires_gamma, first))
    sd_samplers.create_sampler(NAME, p.sd_model)  # which refuses other families
    p.extra_generation_params[GAMMA] = p.tcd_gammas.first
    if getattr(p, "enable_hr", False) and p.tcd_gammas.hires != p.tcd_gammas.first:
        p.extra_generation_params[HIRES_GAMMA] = p.tcd_gammas.hires


def get_gamma(p: Any) -> float:
    """The gamma of the pass that is about to be sampled.

    A job that came without the script, such as an inner pass of another extension's, is settled here.
    """
    if getattr(p, "tcd_gammas", None) is None:
        with bad_input():
            first = choose_gamma(p, NOT_GIVEN)
        p.tcd_gammas = Gammas(first, first)
        p.extra_generation_params.setdefault(GAMMA, first)
    gammas: Gammas = p.tcd_gammas
    return gammas.hires if p.is_hr_pass else gammas.first


def choose_gamma(p: Any, argument: Any) -> float:
    axis, eta = getattr(p, "tcd_axis_gamma", None), getattr(p, "eta", None)
    if axis is not None:
        return check_gamma(axis, GAMMA)
    if argument is not NOT_GIVEN:
        gamma = check_gamma(argument, GAMMA)
        if eta not in (None, gamma):
            p.comment(f"TCD ran with gamma {gamma:g}, its own argument; the request's eta, {eta}, was not used.")
        return gamma
    if eta is not None:
        return check_gamma(eta, "eta, which is gamma for TCD,")
    return check_gamma(get_option(DEFAULT_GAMMA_OPTION, DEFAULT_GAMMA), f"The setting {DEFAULT_GAMMA_OPTION}")


def choose_hires_gamma(p: Any, argument: Any, first: float) -> float:
    axis = getattr(p, "tcd_axis_hires_gamma", None)
    if axis is not None:
        return check_gamma(axis, HIRES_GAMMA)
    if argument is NOT_GIVEN:
        return first
    if isinstance(argument, str):
        return first if argument.strip().lower() == SAME else parse_gamma(argument, HIRES_GAMMA)
    return check_gamma(argument, HIRES_GAMMA)


__all__ = ["NOT_GIVEN", "BadInput", "get_gamma", "is_tcd", "prepare", "uses_tcd"]
