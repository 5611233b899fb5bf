"""Which gammas a job runs with. They travel on the job itself, so that no other can see them.

Each comes from the first that says so: the script's argument (which an X/Y/Z axis sets), a preset, the request's eta,
the job that this one is run inside, the setting.

All of it is settled in `before_process`, and written into the job's own fields and arguments: other extensions copy
jobs and send them to other machines, whose images are to be the same.
"""

from typing import Any

from modules import sd_samplers

from ..gamma import DEFAULT_GAMMA, check_gamma, parse_gamma
from ..messages import ETA_NOT_USED, ETA_USED, UNKNOWN_SCHEDULE, Message
from .compat import jobs, options, schedules
from .names import DEFAULT_GAMMA_OPTION, ENSD, GAMMA, HIRES_GAMMA, NAME, SAME
from .notify import notify
from .state import Gammas, get_state, set_gammas


def is_tcd(sampler_name: str | None) -> bool:
    """Whether a sampler's name, or alias, is ours."""
    config = sd_samplers.find_sampler_config(sampler_name) if sampler_name else None
    return config is not None and config.name == NAME


def has_tcd_hires_pass(p: Any) -> bool:
    """Whether the job has a hires pass that is sampled with TCD."""
    return jobs.has_hires_pass(p) and is_tcd(jobs.get_hires_sampler(p) or p.sampler_name)


def uses_tcd(p: Any) -> bool:
    return is_tcd(p.sampler_name) or has_tcd_hires_pass(p)


def use_names(p: Any) -> None:
    """Has the job name samplers and schedules as hosts and infotexts do, whatever a request calls them."""
    hires_sampler = jobs.get_hires_sampler(p)
    jobs.set_hires_sampler(p, NAME if is_tcd(hires_sampler) else hires_sampler)
    if is_tcd(p.sampler_name):
        p.sampler_name = NAME
        use_schedule_name(p, hires=False)
    if has_tcd_hires_pass(p):
        use_schedule_name(p, hires=True)


def use_schedule_name(p: Any, hires: bool) -> None:
    unknown = schedules.use_schedule_name(p, hires)
    if unknown is not None:
        notify(p, Message(UNKNOWN_SCHEDULE, {"schedule": repr(unknown)}))


def settle(p: Any, gamma: Any, hires_gamma: Any, preset_gamma: float | None = None) -> Gammas | None:
    """Settles a job's names and gammas; returns None where it does not use TCD.

    UserError if a gamma is not a number from 0 to 1.
    """
    if not uses_tcd(p):
        return None
    use_names(p)
    first = choose_gamma(p, gamma, preset_gamma)
    return Gammas(first, choose_hires_gamma(hires_gamma, first) if has_tcd_hires_pass(p) else first)


def follow_sampler(p: Any) -> bool:
    """Whether a job still uses TCD, whose sampler another extension may have changed, as for noise inversion.

    Its infotext follows. (If a sampler of ours is there all the same, it writes its gamma again.)
    """
    if get_state(p).gammas is None:
        return False
    if not uses_tcd(p):
        clear_infotext(p)
    return uses_tcd(p)


def prepare(p: Any, gammas: Gammas | None) -> None:
    """Puts a job's gammas on it and into its infotext; clears both from one that does not use TCD."""
    set_gammas(p, gammas)
    clear_infotext(p)
    if gammas is not None:
        write_infotext(p, gammas)


def get_gamma(p: Any) -> float:
    """The gamma of the pass that is about to be sampled.

    A job that came without the script, such as an inner pass of another extension's, is settled here.
    """
    gammas = get_state(p).gammas
    if gammas is None:
        first = read_copied_gamma(p)
        first = choose_gamma(p, None) if first is None else first
        gammas = Gammas(first, first)
        outer = jobs.find_outer_job(p)
        if outer is not None and get_state(outer).gammas is None:
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
    delta = options.get_option("eta_noise_seed_delta", 0)
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
            notify(p, Message(ETA_NOT_USED, {"gamma": f"{gamma:g}", "eta": eta}))
        return gamma
    if eta is not None:
        gamma = check_gamma(eta, "eta")
        notify(p, Message(ETA_USED, {"gamma": f"{gamma:g}"}))
        return gamma
    outer = jobs.find_outer_job(p)
    outer_gammas = get_state(outer).gammas if outer is not None else None
    if outer_gammas is not None:
        return outer_gammas.first
    return check_gamma(options.get_setting(p, DEFAULT_GAMMA_OPTION, DEFAULT_GAMMA), DEFAULT_GAMMA_OPTION)


def choose_hires_gamma(argument: Any, first: float) -> float:
    if argument is None:
        return first
    if isinstance(argument, str):
        return first if argument.strip().lower() == SAME else parse_gamma(argument, HIRES_GAMMA)
    return check_gamma(argument, HIRES_GAMMA)
