"""Halves the sampling time at CFG 1: A1111 evaluates the negative prompt there, although it cannot change the image.

A1111's own settings for this (NGMS and "skip early CFG") write into the infotext. Before 1.10 they skip only every
second step. With inpainting checkpoints they fail, because the image condition keeps its length (A1111's issue 10802).

The host lets a sampler choose the model that its denoiser calls, `inner_model`, as the LCM sampler does. At CFG 1, ours
is a wrapper that evaluates the prompts only (cond). It returns their result for the negative prompts (uncond) too. The
host then computes uncond + (cond - uncond) * 1, which is cond for any uncond. No setting or infotext changes.
"""

import logging
import sys
from types import CodeType
from typing import Any

import torch
from modules import shared
from modules.sd_samplers_kdiffusion import CFGDenoiserKDiffusion

from .compat import guidance
from .compat.options import get_option
from .names import SINGLE_PASS_OPTION
from .other_extensions import Parts, find_reason_in_extensions

logger = logging.getLogger(__name__)


class CondOnlyModel:
    """Wraps the model during one step and evaluates only the n prompts of 2 n batch entries.

    The host sends the n prompts, then the n negative prompts, in one call or in two. Attributes, and calls with another
    number of entries, pass through to the model.
    """

    def __init__(self, model: Any, n: int) -> None:
        self.model = model
        self.n = n
        self.denoised: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, cond: dict[str, Any]) -> torch.Tensor:
        entries = len(x)
        if entries not in (self.n, 2 * self.n):  # an extension added some
            return self.model(x, sigma, cond=cond)  # type: ignore[no-any-return]
        if self.denoised is None:
            self.denoised = self.model(x[: self.n], sigma[: self.n], cond=take_entries(cond, self.n))
        return self.denoised.repeat(entries // self.n, 1, 1, 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def take_entries(cond: Any, n: int) -> Any:
    """Returns a conditioning with only the first n batch entries of each tensor."""
    if isinstance(cond, dict):
        return {key: take_entries(value, n) for key, value in cond.items()}
    if isinstance(cond, list):
        return [take_entries(value, n) for value in cond]
    return cond[:n] if isinstance(cond, torch.Tensor) else cond


class TCDDenoiser(CFGDenoiserKDiffusion):
    """The host's denoiser for one pass of a job. It skips the negative prompts if they cannot change the result."""

    def __init__(self, sampler: Any) -> None:
        super().__init__(sampler)
        self.single_pass = get_option(SINGLE_PASS_OPTION, True)
        self.step_code: CodeType | None = None
        """The code of the host's forward() while it runs, if that is known code."""

        self.cond_only_model: CondOnlyModel | None = None
        self.uncond_reason = ""
        """Why the negative prompts are evaluated, or "". A reason holds until the pass ends, because ControlNet caches
        tensors with the batch size of the first step."""

        self.parts: Parts | None = None

        self.evaluation = ""
        """The debug message about what the last step evaluated. It is logged when it changes."""

    def forward(self, x: Any, sigma: Any, uncond: Any, cond: Any, cond_scale: float, *args: Any, **kwargs: Any) -> Any:
        step = super().forward
        self.step_code = step.__code__ if guidance.is_known(step) else None
        self.cond, self.cond_scale = cond, cond_scale
        try:
            denoised = step(x, sigma, uncond, cond, cond_scale, *args, **kwargs)
            self.log_evaluation()
        finally:
            self.step_code = self.cond = self.cond_only_model = None
        return denoised

    @property
    def inner_model(self) -> Any:
        """The model, or the wrapper that evaluates the prompts only.

        Only the host's own step gets the wrapper, and it reads this property after the refiner and all callbacks. An
        extension's callback may send any batch entries, so it gets the model. The stack frame identifies the caller.
        """
        model = super().inner_model
        if sys._getframe(1).f_code is not self.step_code:
            return model
        if self.cond_only_model is None:
            self.uncond_reason = self.uncond_reason or find_reason_in_job(self) or find_reason_in_extensions(self)
            if self.uncond_reason:
                return model
            self.cond_only_model = CondOnlyModel(model, len(self.cond.batch))
        return self.cond_only_model

    def log_evaluation(self) -> None:
        if self.cond_only_model:
            evaluation = "TCD skips the negative prompt."
        elif self.uncond_reason:
            evaluation = f"TCD evaluates the negative prompt: {self.uncond_reason}."
        else:
            step = guidance.get_hash(super().forward)
            evaluation = (
                f"TCD leaves this WebUI's denoiser unchanged: its code ({step}) is not a known version of A1111's."
            )
        if evaluation != self.evaluation:
            logger.debug(evaluation)
        self.evaluation = evaluation


def find_reason_in_job(denoiser: TCDDenoiser) -> str:
    """Returns why a job needs its negative prompts, or "" if it does not need them."""
    if not denoiser.single_pass:
        return f"the setting {SINGLE_PASS_OPTION} is off"
    scale = denoiser.cond_scale * guidance.get_cfg_scale_factor(denoiser)
    if scale != 1:
        return f"the CFG scale is {scale:g}"
    if not all(len(prompts) == 1 and prompts[0].weight == 1 for prompts in denoiser.cond.batch):
        return "the prompt uses AND or ends with a weight"
    if shared.sd_model.cond_stage_key == "edit":
        return "the checkpoint edits images with its own guidance"
    return ""
