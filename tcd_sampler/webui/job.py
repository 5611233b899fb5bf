"""Which gammas a job runs with. They travel on the job itself, so that no other can see them.

Each comes from the first that says so: the script's argument (which an X/Y/Z axis sets), a preset, the request's eta,
the job that this one is run inside, the setting.

All of it is settled in `before_process`, and written into the job's own fields and arguments: other extensions copy
jobs and send them to other machines, whose images are to be the same.
"""

from typing import Any, NamedTuple

from modules import sd_samplers

from ..gamma import DEFAULT_GAMMA, check_gamma, parse_gamma
from ..messages import ETA_NOT_USED, ETA_USED, UNKNOWN_SCHEDULE
from .compat import host
from .errors import bad_input
from .names import DEFAULT_GAMMA_OPTION, ENSD, GAMMA, HIRES_GAMMA, NAME, SAME
from .said import say


class Gammas(NamedTuple):
    """A job's gammas: plain numbers, since other extensions copy, pickle and send what is on a job."""

    first: float
    hires: float


def is_tcd(sampler_name: str | None) -> bool:
    """Whether a sampler's name, or alias, is ours."""
    config = sd_samplers.find_sampler_config(sampler_name) if sampler_name else None
    return config is not None and config.name == NAME


def has_tcd_hires_pass(p: Any) -> bool:
    """Whether the job has a hires pass that is sampled with TCD."""
    return getattr(p, "enable_hr", False) and is_tcd(getattr(p, "hr_sampler_name", None) or p.sampler_name)


def uses_tcd(p: Any) -> bool:
    return is_tcd(p.sampler_name) or has_tcd_hires_pass(p)


def use_names(p: Any) -> None:
    """Has the job name samplers and schedules as hosts and infotexts do, whatever a request calls them."""
    if str(getattr(p, "hr_sampler_name", None)).lower() == host.SAME_SAMPLER.lower():
        p.hr_sampler_name = None
    for field in ("sampler_name", "hr_sampler_name"):
        if is_tcd(getattr(p, field, None)):
            setattr(p, field, NAME)
    if is_tcd(p.sampler_name):
        use_schedule_name(p, hires=False)
    if has_tcd_hires_pass(p):
        use_schedule_name(p, hires=True)


def use_schedule_name(p: Any, hires: bool) -> None:
    unknown = host.use_schedule_name(p, hires)
    if unknown is not None:
        say(p, UNKNOWN_SCHEDULE, schedule=repr(unknown))


def settle(p: Any, gamma: Any, hires_gamma: Any, preset_gamma: float | None = None) -> Gammas | None:
    """Settles a job's names and gammas; returns None where it does not use TCD.

    BadInput if a gamma is not a number from 0 to 1.
    """
    if not uses_tcd(p):
        return None
    use_names(p)
    with bad_input():
        first = choose_gamma(p, gamma, preset_gamma)
        return Gammas(first, choose_hires_gamma(hires_gamma, first) if has_tcd_hires_pass(p) else first)


def follow_sampler(p: Any) -> bool:
    """Whether a job still uses TCD, whose sampler another extension may have changed, as for noise inversion.

    Its infotext follows. (If a sampler of ours is there all the same, it writes its gamma again.)
    """
    if getattr(p, "tcd_gammas", None) is None:
        return False
    if not uses_tcd(p):
        clear_infotext(p)
    return uses_tcd(p)


def prepare(p: Any, gammas: Gammas | None) -> None:
    """Puts a job's gammas on it and into its infotext; clears both from one that does not use TCD."""
    p.tcd_gammas = gammas
    clear_infotext(p)
    if gammas is not None:
        write_infotext(p, gammas)


def get_gamma(p: Any) -> float:
    """The gamma of the pass that is about to be sampled.

    A job that came without the script, such as an inner pass of another extension's, is settled here.
    """
    gammas = getattr(p, "tcd_gammas", None)
    if gammas is None:
        with bad_input():
            first = read_copied_gamma(p)
            first = choose_gamma(p, None) if first is None else first
        gammas = Gammas(first, first)
        outer = host.find_outer_job(p)
        if outer is not None and getattr(outer, "tcd_gammas", None) is None:
            write_infotext(outer, gammas)  # whose image this one becomes
    write_infotext(p, gammas)
    return gammas.hires if p.is_hr_pass else gammas.first


def read_copied_gamma(p: Any) -> float | None:
    """The gamma of the job whose infotext another extension has given to this one."""
    copied = p.extra_generation_params.get(GAMMA)
    return None if copied is None or p.eta is not None else parse_gamma(str(copied), GAMMA)


def clear_infotext(p: Any) -> None:
    for key in (GAMMA, HIRES_GAMMA, ENSD):  # a plot's cells share the dictionary
        p.extra_generation_params.pop(key, None)


def write_infotext(p: Any, gammas: Gammas) -> None:
    p.extra_generation_params[GAMMA] = gammas.first
    if gammas.hires != gammas.first:
        p.extra_generation_params[HIRES_GAMMA] = gammas.hires
    delta = host.get_option("eta_noise_seed_delta", 0)
    if delta and is_tcd(p.sampler_name):
        # the host goes by eta, but the delta has its part in step noise, which there is where gamma is not 0
        p.extra_generation_params[ENSD] = delta if max(gammas) > 0 else None


def choose_gamma(p: Any, argument: Any, preset_gamma: float | None = None) -> float:
    eta = p.eta if is_tcd(p.sampler_name) else None
    if argument is None:
        argument = preset_gamma
    if argument is not None:
        gamma = check_gamma(argument, GAMMA)
        if eta not in (None, gamma):
            say(p, ETA_NOT_USED, gamma=f"{gamma:g}", eta=eta)
        return gamma
    if eta is not None:
        gamma = check_gamma(eta, "eta, which is gamma for TCD,")
        say(p, ETA_USED, gamma=f"{gamma:g}")
        return gamma
    outer = getattr(host.find_outer_job(p), "tcd_gammas", None)
    if outer is not None:
        return float(outer.first)
    setting = host.get_setting(p, DEFAULT_GAMMA_OPTION, DEFAULT_GAMMA)
    return check_gamma(setting, f"The setting {DEFAULT_GAMMA_OPTION}")


def choose_hires_gamma(argument: Any, first: float) -> float:
    if argument is None:
        return first
    if isinstance(argument, str):
        return first if argument.strip().lower() == SAME else parse_gamma(argument, HIRES_GAMMA)
    return check_gamma(argument, HIRES_GAMMA)
