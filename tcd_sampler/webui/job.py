"""Which gammas a job runs with. They travel on the job itself, so that no other can see them.

Each comes from the first that says so: an X/Y/Z axis, the script's argument, the request's eta, a recipe, the setting.
"""

from dataclasses import dataclass
from typing import Any

from modules import sd_samplers

from ..gamma import DEFAULT_GAMMA, check_gamma, parse_gamma
from ..texts import ETA_NOT_USED
from .errors import bad_input
from .host import get_option
from .names import DEFAULT_GAMMA_OPTION, ENSD, GAMMA, HIRES_GAMMA, NAME, SAME
from .said import say


@dataclass(frozen=True)
class Gammas:
    """A job's gammas."""

    first: float
    hires: float


def is_tcd(sampler_name: str | None) -> bool:
    """Whether a sampler's name, or alias, is ours."""
    config = sd_samplers.find_sampler_config(sampler_name) if sampler_name else None
    return config is not None and config.name == NAME


def has_tcd_hires_pass(p: Any) -> bool:
    """Whether the job has a hires pass that is sampled with TCD."""
    return getattr(p, "enable_hr", False) and is_tcd(getattr(p, "hr_sampler_name", None) or p.sampler_name)


def prepare(p: Any, gamma: Any = None, hires_gamma: Any = None) -> None:
    """Settles the gammas of a job that uses TCD, and its infotext; clears both from any other's.

    BadInput if a gamma is not a number from 0 to 1, or if the checkpoint is of a family TCD has no meaning for.
    """
    p.tcd_gammas = None
    for key in (GAMMA, HIRES_GAMMA, ENSD):  # a plot's cells share the dictionary
        p.extra_generation_params.pop(key, None)
    if not is_tcd(p.sampler_name) and not has_tcd_hires_pass(p):
        return
    use_names(p)
    with bad_input():
        first = choose_gamma(p, gamma)
        hires = choose_hires_gamma(p, hires_gamma, first) if has_tcd_hires_pass(p) else first
    sd_samplers.create_sampler(NAME, p.sd_model)  # which refuses other families
    p.tcd_gammas = Gammas(first, hires)
    write_infotext(p, p.tcd_gammas)


def use_names(p: Any) -> None:
    """Where aliases came in, makes names of them: not every host does, and infotexts are read by all."""
    for field in ("sampler_name", "hr_sampler_name"):
        if is_tcd(getattr(p, field, None)):
            setattr(p, field, NAME)


def get_gamma(p: Any) -> float:
    """The gamma of the pass that is about to be sampled.

    A job that came without the script, such as an inner pass of another extension's, is settled here.
    """
    gammas = getattr(p, "tcd_gammas", None)
    if gammas is None:
        with bad_input():
            first = choose_gamma(p, None)
        gammas = Gammas(first, first)
        write_infotext(p, gammas)
    return gammas.hires if p.is_hr_pass else gammas.first


def write_infotext(p: Any, gammas: Gammas) -> None:
    p.extra_generation_params[GAMMA] = gammas.first
    if gammas.hires != gammas.first:
        p.extra_generation_params[HIRES_GAMMA] = gammas.hires
    delta = get_option("eta_noise_seed_delta", 0)
    if delta and is_tcd(p.sampler_name):
        # the host goes by eta, but the delta has its part in step noise, which there is where gamma is not 0
        p.extra_generation_params[ENSD] = delta if max(gammas.first, gammas.hires) > 0 else None


def choose_gamma(p: Any, argument: Any) -> float:
    axis, eta = getattr(p, "tcd_axis_gamma", None), p.eta if is_tcd(p.sampler_name) else None
    if axis is not None:
        return check_gamma(axis, GAMMA)
    if argument is not None:
        gamma = check_gamma(argument, GAMMA)
        if eta not in (None, gamma):
            say(p, ETA_NOT_USED, gamma=f"{gamma:g}", eta=eta)
        return gamma
    if eta is not None:
        return check_gamma(eta, "eta, which is gamma for TCD,")
    recipe = getattr(p, "tcd_recipe", None)
    if recipe is not None and recipe.gamma is not None:
        return float(recipe.gamma)
    return check_gamma(get_option(DEFAULT_GAMMA_OPTION, DEFAULT_GAMMA), f"The setting {DEFAULT_GAMMA_OPTION}")


def choose_hires_gamma(p: Any, argument: Any, first: float) -> float:
    axis = getattr(p, "tcd_axis_hires_gamma", None)
    if axis is not None:
        return check_gamma(axis, HIRES_GAMMA)
    if argument is None:
        return first
    if isinstance(argument, str):
        return first if argument.strip().lower() == SAME else parse_gamma(argument, HIRES_GAMMA)
    return check_gamma(argument, HIRES_GAMMA)
