"""The host's sampler object for sample_tcd, and the schedule."""

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
from .job import get_gamma, has_tcd_hires_pass, is_tcd, normalize_schedule_name
from .notify import notify


class TCDSampler(KDiffusionSampler):
    """The sampler of one pass. The host creates one for each pass. Raises BadInput for unsupported models."""

    def __init__(self, sd_model: Any) -> None:
        super().__init__(sample_tcd, sd_model)
        self.model_wrap_cfg = TCDDenoiser(self)
        self.model_wrap = self.model_wrap_cfg.inner_model
        with bad_input():
            table = find_table(self.model_wrap)
        schedules.set_automatic_schedule(self.model_wrap, lambda n: get_sigmas_tcd(n, table, shared.device))

    def initialize(self, p: Any) -> dict[str, Any]:
        """Returns the keyword arguments of sample_tcd for this job. Raises BadInput if its gamma is invalid."""
        with bad_input():
            gamma = get_gamma(p)
        return {**super().initialize(p), "gamma": gamma, "noise_sampler": get_step_noise(p)}

    def get_sigmas(self, p: Any, steps: int) -> torch.Tensor:
        """Returns the noise levels of the job's schedule type, shape (steps + 1,). "Automatic" is TCD's schedule."""
        normalize_schedule_name(p, p.is_hr_pass)
        unknown = schedules.find_unknown_schedule()
        if unknown is None or p.sampler_noise_scheduler_override:
            return super().get_sigmas(p, steps)  # type: ignore[no-any-return]
        notify(p, Message(UNKNOWN_SCHEDULE, {"schedule": repr(unknown)}))
        return self.model_wrap.get_sigmas(steps)  # type: ignore[no-any-return]

    def sample(self, p: Any, x: torch.Tensor, *args: Any, steps: int | None = None, **kwargs: Any) -> torch.Tensor:
        """Samples from unit noise x, scaled to variance 1 + sigma^2 like the reference's.

        The host multiplies x by sigma, so x is multiplied by sqrt(1 + sigma^-2) first.
        """
        if not get_option("sgm_noise_multiplier", False):  # with it, the host multiplies by sqrt(1 + sigma^2)
            sigma = self.get_sigmas(p, steps or p.steps)[0]
            x = x * (1 + sigma**-2).sqrt()
        return super().sample(p, x, *args, steps=steps, **kwargs)  # type: ignore[no-any-return]


def check_model(p: Any) -> None:
    """Raises BadInput if TCD does not support a job's checkpoint.

    A hires pass with its own checkpoint checks it when that pass starts.
    """
    if is_tcd(p.sampler_name) or (has_tcd_hires_pass(p) and not jobs.has_own_hires_checkpoint(p)):
        TCDSampler(p.sd_model)


def get_step_noise(p: Any) -> Callable[..., torch.Tensor]:
    """Returns a function that draws the step noise, as the host's ancestral samplers do: from each image's seed.

    The generators belong to this pass, so that draws by other extensions do not change its noise, and vice versa.
    """
    delta = get_option("eta_noise_seed_delta", 0) or 0
    start = jobs.get_generator(p)
    noise = rng.ImageRNG(start.shape, [seed + delta for seed in start.seeds])
    noise.is_first = False  # the host has drawn the initial noise already
    if not delta:
        noise.next()  # skips the initial noise, which uses the same seeds without a delta
    return lambda *_: noise.next()


def get_schedule(n: int, sigma_min: float, sigma_max: float, inner_model: Any, device: Any) -> torch.Tensor:
    """Returns TCD's schedule, shape (n + 1,), with the host's signature.

    It depends on the model's noise table only, not on sigma_min and sigma_max. Raises BadInput for unsupported models.
    """
    with bad_input():
        return get_sigmas_tcd(n, inner_model.sigmas, device)
