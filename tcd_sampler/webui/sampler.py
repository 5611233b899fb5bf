"""The host's sampler object round sample_tcd, and the schedule."""

from collections.abc import Callable
from typing import Any

import torch
from modules import rng, shared
from modules.sd_samplers_kdiffusion import KDiffusionSampler

from ..messages import UNKNOWN_SCHEDULE, Message
from ..sampling import sample_tcd
from ..schedule import find_table, get_sigmas_tcd
from .compat import jobs, schedules
from .compat.options import get_option
from .denoiser import TCDDenoiser
from .errors import bad_input
from .job import get_gamma, has_tcd_hires_pass, is_tcd, use_schedule_name
from .notify import notify


class TCDSampler(KDiffusionSampler):
    """One pass of a job. Made anew for each by the host; BadInput for models that TCD has no meaning for."""

    def __init__(self, sd_model: Any) -> None:
        super().__init__(sample_tcd, sd_model)
        self.model_wrap_cfg = TCDDenoiser(self)
        self.model_wrap = self.model_wrap_cfg.inner_model
        with bad_input():
            table = find_table(self.model_wrap)
        schedules.set_automatic_schedule(self.model_wrap, lambda n: get_sigmas_tcd(n, table, shared.device))

    def initialize(self, p: Any) -> dict[str, Any]:
        """The keyword arguments that sample_tcd gets from this job."""
        with bad_input():
            gamma = get_gamma(p)
        return {**super().initialize(p), "gamma": gamma, "noise_sampler": get_step_noise(p)}

    def get_sigmas(self, p: Any, steps: int) -> torch.Tensor:
        """The host's choice, which for "Automatic" is TCD's schedule."""
        use_schedule_name(p, p.is_hr_pass)
        unknown = schedules.find_unknown_schedule()
        if unknown is None or p.sampler_noise_scheduler_override:
            return super().get_sigmas(p, steps)  # type: ignore[no-any-return]
        notify(p, Message(UNKNOWN_SCHEDULE, {"schedule": repr(unknown)}))
        return self.model_wrap.get_sigmas(steps)  # type: ignore[no-any-return]

    def sample(self, p: Any, x: torch.Tensor, *args: Any, steps: int | None = None, **kwargs: Any) -> torch.Tensor:
        """From noise x of unit variance, which the reference starts from; the host would multiply it by sigma."""
        if not get_option("sgm_noise_multiplier", False):  # the host's own way to sqrt(1 + sigma^2)
            sigma = self.get_sigmas(p, steps or p.steps)[0]
            x = x * (1 + sigma**-2).sqrt()
        return super().sample(p, x, *args, steps=steps, **kwargs)  # type: ignore[no-any-return]


def check_model(p: Any) -> None:
    """BadInput if TCD has no meaning for a job's checkpoint. A hires pass with one of its own judges that itself."""
    if is_tcd(p.sampler_name) or (has_tcd_hires_pass(p) and not jobs.has_own_hires_checkpoint(p)):
        TCDSampler(p.sd_model)


def get_step_noise(p: Any) -> Callable[..., torch.Tensor]:
    """What the host's ancestral samplers draw after the start: noise from each image's own seed.

    The generators are this pass's alone, so that nobody else's draws shift them, nor they anyone's.
    """
    delta = get_option("eta_noise_seed_delta", 0) or 0
    start = jobs.get_generator(p)
    noise = rng.ImageRNG(start.shape, [seed + delta for seed in start.seeds])
    noise.is_first = False  # the start is drawn already, by the host
    if not delta:
        noise.next()  # and from these generators, unless the delta has made them new ones
    return lambda *_: noise.next()


def get_schedule(n: int, sigma_min: float, sigma_max: float, inner_model: Any, device: Any) -> torch.Tensor:
    """TCD's schedule as the host calls it; the model's noise table decides, not its ends or the settings'."""
    with bad_input():
        return get_sigmas_tcd(n, inner_model.sigmas, device)
