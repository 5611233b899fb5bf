"""Whether another extension has a part in what the UNet evaluates, and which.

Only what runs can be told: an extension that is idle, but leaves its callback or its guidance in place, counts.
"""

from typing import Any

import torch
from modules import script_callbacks, shared

from .compat import guidance
from .compat.owners import is_hosts_own, is_replaced, name_owner


def find_use_by_extensions(denoiser: Any) -> str:
    """Why an extension needs them evaluated, and which; empty where none does."""
    from modules import sd_unet  # every host whose denoiser is known has it

    model, wrapper = shared.sd_model, denoiser.model_wrap
    if guidance.needs_uncond(denoiser):
        return "an extension asks for it"
    if not guidance.is_known(denoiser.combine_denoised):
        return f"{name_owner(denoiser.combine_denoised)} has a guidance of its own"
    listeners = script_callbacks.callback_map["callbacks_cfg_denoised"]
    if listeners:
        return f"{', '.join(name_owner(listener.callback) for listener in listeners)} listens to it"
    for owner, name in ((wrapper, "forward"), (model, "apply_model")):
        if is_replaced(owner, name):
            return f"{name_owner(vars(owner)[name])} has an evaluation of its own"
    if sd_unet.current_unet is not None:
        return f"{name_owner(type(sd_unet.current_unet).forward)} has a UNet of its own"
    if denoiser.parts is None or denoiser.parts.model is not model.model:  # a refiner's is another
        denoiser.parts = Parts(model.model)
    return find_use_in_model(denoiser.parts)


class Parts:
    """A model's modules, listed once a pass: to walk through them takes longer than to look at each."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.modules = list(model.modules())
        blocks = [module for module in self.modules if "attn1" in module._modules]
        children = [child for block in blocks for name, child in block.named_children() if name in ("attn1", "attn2")]
        self.attention = [*blocks, *children]


def find_use_in_model(parts: Parts) -> str:
    """Why a part of it runs an extension's code, as with ControlNet's reference-only, NegPiP or SEG; else empty.

    Such code may tell prompts from negative prompts, count calls, or mix rows.
    """
    for part in parts.attention:
        for name in ("forward", "_forward"):
            if is_replaced(part, name):
                return f"{name_owner(vars(part)[name])} has an attention of its own"
    for module in parts.modules:
        if module._forward_hooks or module._forward_pre_hooks:
            for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
                if not is_hosts_own(hook):
                    return f"{name_owner(hook)} has a hook in the UNet"
    return ""
