"""Half the work at CFG 1, where A1111 evaluates the negative prompt too, though nothing comes of it.

The host can leave it out itself (its settings NGMS and "skip early CFG"), but at odd steps only before 1.10, with a
line in the infotext, and not with inpainting checkpoints, whose condition it forgets to shorten (its issue 10802). What
a sampler may choose in the host's design, as LCM's does, is the model that the denoiser asks, `inner_model`. So ours
asks one that evaluates the prompts alone, and gives the negative prompts' rows the same answer: of c + (c - c) * 1 the
host then makes c, whatever its settings are, and nothing is written anywhere.
"""

import logging
import sys
from typing import Any

import torch
from modules import script_callbacks, shared
from modules.sd_samplers_kdiffusion import CFGDenoiserKDiffusion

from . import host
from .host import get_option
from .names import SINGLE_PASS_OPTION

logger = logging.getLogger(__name__)


class PromptsAlone:
    """The model in one step, asked for n prompts and n negative prompts: all at once, or for one kind after the other.

    In each, the prompts come first. Whatever else is asked of the model, it answers itself.
    """

    def __init__(self, model: Any, n: int) -> None:
        self.model = model
        self.n = n
        self.answer: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, cond: dict[str, Any]) -> torch.Tensor:
        rows = len(x)
        if rows not in (self.n, 2 * self.n):  # another extension has added some
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
    return cond[:n]


class TCDDenoiser(CFGDenoiserKDiffusion):
    """The host's denoiser for one pass of a job, which asks for the prompts alone where it comes to the same."""

    def __init__(self, sampler: Any) -> None:
        super().__init__(sampler)
        self.evaluation = ""
        """What the last step evaluated, in a sentence, which is also in the log."""

        self.use_of_uncond = ""
        """What the negative prompts are evaluated for. Once there is something, it holds to the end of the pass:
        ControlNet keeps tensors of as many rows as the first step had."""

        self.prompts_alone: PromptsAlone | None = None

    def forward(self, x: Any, sigma: Any, uncond: Any, cond: Any, cond_scale: float, **others: Any) -> Any:
        self.cond, self.cond_scale = cond, cond_scale
        self.prompts_alone = None
        denoised = super().forward(x, sigma, uncond=uncond, cond=cond, cond_scale=cond_scale, **others)
        self.log_evaluation()
        return denoised

    @property
    def inner_model(self) -> Any:
        """The model; for the host's step, which asks when refiner and callbacks have had their say, perhaps less of it.

        A callback of another extension that asks, may want any rows, and so gets the model.
        """
        model = super().inner_model
        if not host.is_known_code(sys._getframe(1).f_code):
            return model
        self.use_of_uncond = self.use_of_uncond or find_use_of_uncond(self)
        if self.use_of_uncond:
            return model
        if self.prompts_alone is None:
            self.prompts_alone = PromptsAlone(model, len(self.cond.batch))
        return self.prompts_alone

    def log_evaluation(self) -> None:
        if self.prompts_alone:
            evaluation = "TCD evaluates the prompt alone."
        elif self.use_of_uncond:
            evaluation = f"TCD evaluates prompt and negative prompt: {self.use_of_uncond}."
        else:
            evaluation = "TCD leaves it to this WebUI what is evaluated: its way is none that is known."
        if evaluation != self.evaluation:
            logger.debug(evaluation)
        self.evaluation = evaluation


def find_use_of_uncond(denoiser: TCDDenoiser) -> str:
    """What the evaluation of the negative prompts is for; empty where it is for nothing."""
    scale = denoiser.cond_scale * getattr(denoiser, "cond_scale_miltiplier", 1)  # the host's spelling, since 1.10
    listeners = script_callbacks.callback_map["callbacks_cfg_denoised"]
    uses = [
        (not get_option(SINGLE_PASS_OPTION, True), f"the setting {SINGLE_PASS_OPTION} is off"),
        (scale != 1, f"the CFG scale is {scale:g}"),
        (not all(is_plain(prompts) for prompts in denoiser.cond.batch), "a prompt is composed or weighted"),
        (shared.sd_model.cond_stage_key == "edit", "the checkpoint has a guidance of its own"),
        (getattr(denoiser, "need_last_noise_uncond", False), "an extension asks for it"),
        (not host.is_known(denoiser.combine_denoised), "an extension has a guidance of its own"),
        (listeners, f"{', '.join(listener.script for listener in listeners)} listens to it"),
        (has_foreign_attention(shared.sd_model.model.diffusion_model), "an extension has an attention of its own"),
    ]
    return next((use for holds, use in uses if holds), "")


def is_plain(prompts: list[Any]) -> bool:
    """Whether an image's prompt is one, and as it is: not some composed with AND, nor with a weight behind it."""
    return len(prompts) == 1 and prompts[0].weight == 1


def has_foreign_attention(unet: torch.nn.Module) -> bool:
    """Whether transformer blocks run an extension's code, as with ControlNet's reference-only and StyleAlign.

    That code may tell prompts from negative prompts, and mix rows. It is in all of the blocks or in none.
    """
    block = next((module for module in unet.modules() if hasattr(module, "attn1")), unet)
    method = vars(block).get("_forward")
    return method is not None and getattr(method, "__func__", method) is not getattr(type(block), "_forward", None)
