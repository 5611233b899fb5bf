"""Half the work at CFG 1, where A1111 evaluates the negative prompt too, although it cannot change the picture.

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
from modules import script_callbacks, shared
from modules.sd_samplers_kdiffusion import CFGDenoiserKDiffusion

from . import host
from .host import get_option
from .names import SINGLE_PASS_OPTION

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
        self.step_code = step.__code__ if host.is_known(step) else None
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
            step = host.get_hash(super().forward)
            evaluation = f"TCD leaves what is evaluated to this WebUI, whose denoiser ({step}) it does not know."
        if evaluation != self.evaluation:
            logger.debug(evaluation)
        self.evaluation = evaluation


def find_use_in_job(denoiser: TCDDenoiser) -> str:
    """Why the job needs its negative prompts evaluated; empty where it does not."""
    if not denoiser.single_pass:
        return f"the setting {SINGLE_PASS_OPTION} is off"
    scale = denoiser.cond_scale * getattr(denoiser, "cond_scale_miltiplier", 1)  # the host's spelling, since 1.10
    if scale != 1:
        return f"the CFG scale is {scale:g}"
    if not all(len(prompts) == 1 and prompts[0].weight == 1 for prompts in denoiser.cond.batch):
        return "a prompt is composed with AND, or weighted"
    if shared.sd_model.cond_stage_key == "edit":
        return "the checkpoint edits pictures, and has a guidance of its own"
    return ""


def find_use_by_extensions(denoiser: TCDDenoiser) -> str:
    """Why an extension needs them evaluated, and which; empty where none does."""
    from modules import sd_unet  # a host whose denoiser we know has it

    model, wrapper = shared.sd_model, denoiser.model_wrap
    if getattr(denoiser, "need_last_noise_uncond", False):
        return "an extension asks for it"
    if not host.is_known(denoiser.combine_denoised):
        return f"{host.name_owner(denoiser.combine_denoised)} has a guidance of its own"
    listeners = script_callbacks.callback_map["callbacks_cfg_denoised"]
    if listeners:
        return f"{', '.join(host.name_owner(listener.callback) for listener in listeners)} listens to it"
    for owner, name in ((wrapper, "forward"), (model, "apply_model")):
        if is_replaced(owner, name):
            return f"{host.name_owner(vars(owner)[name])} has an evaluation of its own"
    if sd_unet.current_unet is not None:
        return f"{host.name_owner(type(sd_unet.current_unet).forward)} has a UNet of its own"
    if denoiser.parts is None or denoiser.parts.model is not model.model:  # a refiner's is another
        denoiser.parts = Parts(model.model)
    return find_use_in_model(denoiser.parts)


class Parts:
    """A model's modules, listed once a pass: to walk through them takes longer than to look at each."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.modules = list(model.modules())
        blocks = [module for module in self.modules if "attn1" in module._modules]
        self.attention = [part for block in blocks for part in (block, block.attn1, getattr(block, "attn2", block))]


def find_use_in_model(parts: Parts) -> str:
    """Why a part of it runs an extension's code, as with ControlNet's reference-only, NegPiP or SEG; else empty.

    Such code may tell prompts from negative prompts, count calls, or mix rows.
    """
    for part in parts.attention:
        for name in ("forward", "_forward"):
            if is_replaced(part, name):
                return f"{host.name_owner(vars(part)[name])} has an attention of its own"
    for module in parts.modules:
        if module._forward_hooks or module._forward_pre_hooks:
            for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
                if not host.is_hosts_own(hook):
                    return f"{host.name_owner(hook)} has a hook in the UNet"
    return ""


def is_replaced(owner: Any, name: str) -> bool:
    """Whether an object runs other code by this name than its class does."""
    method = vars(owner).get(name)
    return method is not None and getattr(method, "__func__", method) is not getattr(type(owner), name, None)
