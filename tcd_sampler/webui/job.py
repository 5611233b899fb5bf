"""Determines the gammas of a job. They are stored on the job, so that parallel jobs do not share them.

The first of these sources that is set decides: the script's argument (which an X/Y/Z axis sets), the preset, the
request's eta, the outer job, the setting.

They are determined in `before_process` and written into the job's own fields and arguments. Other extensions copy jobs
and send them to other machines, which must generate the same images.
"""

from typing import Any

from modules import sd_samplers

from ..gamma import DEFAULT_GAMMA, check_gamma, parse_gamma
from ..messages import BAD_HIRES_GAMMA, ETA_NOT_USED, ETA_USED, UNKNOWN_SCHEDULE, Message
from .compat import jobs, options, schedules
from .names import DEFAULT_GAMMA_OPTION, ENSD, GAMMA, HIRES_GAMMA, NAME, SAME
from .notify import notify
from .state import Gammas, get_state, set_gammas


def is_tcd(sampler_name: str | None) -> bool:
    """Whether a name or alias is that of this extension's sampler."""
    config = sd_samplers.find_sampler_config(sampler_name) if sampler_name else None
    return config is not None and config.name == NAME


def has_tcd_hires_pass(p: Any) -> bool:
    """Whether the job has a hires pass that uses TCD."""
    return jobs.has_hires_pass(p) and is_tcd(jobs.get_hires_sampler(p) or p.sampler_name)


def uses_tcd(p: Any) -> bool:
    """Whether any pass of the job uses TCD."""
    return is_tcd(p.sampler_name) or has_tcd_hires_pass(p)


def normalize_names(p: Any) -> None:
    """Replaces aliases of samplers and schedules by the names that the host and infotexts use."""
    hires_sampler = jobs.get_hires_sampler(p)
    jobs.set_hires_sampler(p, NAME if is_tcd(hires_sampler) else hires_sampler)
    if is_tcd(p.sampler_name):
        p.sampler_name = NAME
        normalize_schedule_name(p, hires=False)
    if has_tcd_hires_pass(p):
        normalize_schedule_name(p, hires=True)


def normalize_schedule_name(p: Any, hires: bool) -> None:
    """Replaces the alias of a pass's schedule by its name. Notifies the user if the host does not know it."""
    unknown = schedules.normalize_schedule_name(p, hires)
    if unknown is not None:
        notify(p, Message(UNKNOWN_SCHEDULE, {"schedule": repr(unknown)}))


def determine_gammas(p: Any, gamma: Any, hires_gamma: Any, preset_gamma: float | None = None) -> Gammas | None:
    """Normalizes a job's names and returns its gammas, or None if it does not use TCD.

    Raises UserError if a gamma is not a number from 0 to 1.
    """
    if not uses_tcd(p):
        return None
    normalize_names(p)
    first = choose_gamma(p, gamma, preset_gamma)
    return Gammas(first, choose_hires_gamma(hires_gamma, first) if has_tcd_hires_pass(p) else first)


def still_uses_tcd(p: Any) -> bool:
    """Whether a job still uses TCD. Another extension may have changed its sampler, for example for noise inversion.

    If not, clears TCD's infotext. If our sampler runs nevertheless, it writes its gamma again.
    """
    if get_state(p).gammas is None:
        return False
    if uses_tcd(p):
        return True
    clear_infotext(p)
    return False


def store_gammas(p: Any, gammas: Gammas | None) -> None:
    """Stores a job's gammas on the job and in its infotext, or clears both if gammas is None."""
    set_gammas(p, gammas)
    clear_infotext(p)
    if gammas is not None:
        write_infotext(p, gammas)


def get_gamma(p: Any) -> float:
    """Returns the gamma of the current pass.

    Also determines the gammas of jobs that ran without the script, such as another extension's inner pass. Raises
    UserError if a gamma is not a number from 0 to 1.
    """
    gammas = get_state(p).gammas
    if gammas is None:
        first = read_copied_gamma(p)
        first = choose_gamma(p, None) if first is None else first
        gammas = Gammas(first, first)
        outer = jobs.find_outer_job(p)
        if outer is not None and get_state(outer).gammas is None:
            write_infotext(outer, gammas)  # the outer job's image shows this job's result
    write_infotext(p, gammas)
    return gammas.hires if p.is_hr_pass else gammas.first


def read_copied_gamma(p: Any) -> float | None:
    """Returns the gamma in an infotext that another extension copied to this job, or None."""
    copied = p.extra_generation_params.get(GAMMA)
    return None if copied is None or p.eta is not None else parse_gamma(str(copied), GAMMA)


def clear_infotext(p: Any) -> None:
    """Removes gammas and ENSD from a job's infotext."""
    for key in (GAMMA, HIRES_GAMMA, ENSD):  # deleted, because a plot's cells share the dictionary
        p.extra_generation_params.pop(key, None)


def write_infotext(p: Any, gammas: Gammas) -> None:
    """Adds gammas, and ENSD if it affects the image, to a job's infotext."""
    p.extra_generation_params[GAMMA] = gammas.first
    if gammas.hires != gammas.first:
        p.extra_generation_params[HIRES_GAMMA] = gammas.hires
    delta = options.get_option("eta_noise_seed_delta", 0)
    if delta and is_tcd(p.sampler_name):
        # the host writes ENSD only if eta is not 0, but here it changes the image if gamma is not 0
        p.extra_generation_params[ENSD] = delta if max(gammas) > 0 else None


def choose_gamma(p: Any, argument: Any, preset_gamma: float | None = None) -> float:
    """Returns the first pass's gamma. Raises UserError if it is not a number from 0 to 1."""
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
    """Returns the hires pass's gamma: the argument, or the first pass's gamma for None and "same".

    Raises UserError if the argument is not a number from 0 to 1.
    """
    if argument is None:
        return first
    if not isinstance(argument, str):
        return check_gamma(argument, HIRES_GAMMA, BAD_HIRES_GAMMA)
    if argument.strip().lower() == SAME:
        return first
    return parse_gamma(argument, HIRES_GAMMA, BAD_HIRES_GAMMA)
