"""Half the work at CFG 1, where A1111 evaluates the negative prompt too, although it cannot change the image.

The host can leave it out itself (its settings NGMS and "skip early CFG"), but before 1.10 at every other step only,
with a line in the infotext, and not with inpainting checkpoints, whose condition it forgets to shorten (its issue
10802). What a sampler may choose in the host's design, as LCM's does, is the model that the denoiser asks,
`inner_model`. So ours asks one that evaluates the prompts alone, and gives their answer c for the negative prompts, u,
too. The host then makes c of it, as it would of any u: u + (c - u) * 1. Its settings have no part in that, and nothing
is written anywhere.
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
from .neighbours import Parts, find_use_by_extensions

logger = logging.getLogger(__name__)


class PromptsAlone:
    """The model in one step, asked for n prompts and n negative prompts: all at once, or for one kind after the other.

    The prompts come first. Whatever else is asked of the model, it answers itself.
    """

    def __init__(self, model: Any, n: int) -> None:
        self.model = model
        self.n = n
        self.answer: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, cond: dict[str, Any]) -> torch.Tensor:
        rows = len(x)
        if rows not in (self.n, 2 * self.n):  # some that an extension added
            return self.model(x, sigma, cond=cond)  # type: ignore[no-any-return]
        if self.answer is None:
            self.answer = self.model(x[: self.n], sigma[: self.n], cond=take_rows(cond, self.n))
        return self.answer.repeat(rows // self.n, 1, 1, 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def take_rows(cond: Any, n: int) -> Any:
    """The first n rows of every tensor in what the model is conditioned on."""
    if isinstance(cond, dict):
        return {key: take_rows(value, n) for key, value in cond.items()}
    if isinstance(cond, list):
        return [take_rows(value, n) for value in cond]
    return cond[:n] if isinstance(cond, torch.Tensor) else cond


class TCDDenoiser(CFGDenoiserKDiffusion):
    """The host's denoiser for one pass of a job, which asks for the prompts alone where it comes to the same."""

    def __init__(self, sampler: Any) -> None:
        super().__init__(sampler)
        self.single_pass = get_option(SINGLE_PASS_OPTION, True)
        self.step_code: CodeType | None = None
        """The host's step that is under way, if it is one we know."""

        self.prompts_alone: PromptsAlone | None = None
        self.use_of_uncond = ""
        """Why the negative prompts are evaluated. A reason holds to the end of the pass: ControlNet keeps tensors of as
        many rows as the first step had."""

        self.parts: Parts | None = None

        self.evaluation = ""
        """What the last step evaluated, in a sentence, which is also in the log."""

    def forward(self, x: Any, sigma: Any, uncond: Any, cond: Any, cond_scale: float, *args: Any, **kwargs: Any) -> Any:
        step = super().forward
        self.step_code = step.__code__ if guidance.is_known(step) else None
        self.cond, self.cond_scale = cond, cond_scale
        try:
            denoised = step(x, sigma, uncond, cond, cond_scale, *args, **kwargs)
            self.log_evaluation()
        finally:
            self.step_code = self.cond = self.prompts_alone = None
        return denoised

    @property
    def inner_model(self) -> Any:
        """The model. The host's own step, which asks after the refiner and all callbacks, may get one that does less.

        An extension's callback, which may want any rows, gets the model itself; who asks, only the frame can tell.
        """
        model = super().inner_model
        if sys._getframe(1).f_code is not self.step_code:
            return model
        if self.prompts_alone is None:
            self.use_of_uncond = self.use_of_uncond or find_use_in_job(self) or find_use_by_extensions(self)
            if self.use_of_uncond:
                return model
            self.prompts_alone = PromptsAlone(model, len(self.cond.batch))
        return self.prompts_alone

    def log_evaluation(self) -> None:
        if self.prompts_alone:
            evaluation = "TCD evaluates the prompt alone."
        elif self.use_of_uncond:
            evaluation = f"TCD evaluates prompt and negative prompt: {self.use_of_uncond}."
        else:
            step = guidance.get_hash(super().forward)
            evaluation = f"TCD leaves what is evaluated to this WebUI, whose denoiser ({step}) it does not know."
        if evaluation != self.evaluation:
            logger.debug(evaluation)
        self.evaluation = evaluation


def find_use_in_job(denoiser: TCDDenoiser) -> str:
    """Why the job needs its negative prompts evaluated; empty where it does not."""
    if not denoiser.single_pass:
        return f"the setting {SINGLE_PASS_OPTION} is off"
    scale = denoiser.cond_scale * guidance.get_cfg_scale_factor(denoiser)
    if scale != 1:
        return f"the CFG scale is {scale:g}"
    if not all(len(prompts) == 1 and prompts[0].weight == 1 for prompts in denoiser.cond.batch):
        return "a prompt is composed with AND, or weighted"
    if shared.sd_model.cond_stage_key == "edit":
        return "the checkpoint edits images, and has a guidance of its own"
    return ""
