"""Detects other extensions that need the negative prompts.

An extension that is not in use but leaves its callback or guidance in place also counts.
"""

from typing import Any

import torch
from modules import script_callbacks, shared

from .compat import guidance
from .compat.owners import get_owner_name, is_host_function, is_replaced


def find_reason_in_extensions(denoiser: Any) -> str:
    """Returns which extension needs the negative prompts and why, or "" if none does."""
    from modules import sd_unet  # exists in every host whose denoiser is known

    model, wrapper = shared.sd_model, denoiser.model_wrap
    if guidance.needs_uncond(denoiser):
        return "an extension requested the unconditional output"
    if not guidance.is_known(denoiser.combine_denoised):
        return f"{get_owner_name(denoiser.combine_denoised)} replaces the guidance"
    listeners = script_callbacks.callback_map["callbacks_cfg_denoised"]
    if listeners:
        return f"{', '.join(get_owner_name(listener.callback) for listener in listeners)} listens to cfg_denoised"
    for owner, name in ((wrapper, "forward"), (model, "apply_model")):
        if is_replaced(owner, name):
            return f"{get_owner_name(vars(owner)[name])} replaces the model call"
    if sd_unet.current_unet is not None:
        return f"{get_owner_name(type(sd_unet.current_unet).forward)} replaces the UNet"
    if denoiser.parts is None or denoiser.parts.model is not model.model:  # a refiner has its own
        denoiser.parts = Parts(model.model)
    return find_reason_in_model(denoiser.parts)


class Parts:
    """A model's modules, listed once per pass, because walking the module tree is slower than checking the list."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.modules = list(model.modules())
        blocks = [module for module in self.modules if "attn1" in module._modules]
        children = [child for block in blocks for name, child in block.named_children() if name in ("attn1", "attn2")]
        self.attention = [*blocks, *children]


def find_reason_in_model(parts: Parts) -> str:
    """Returns which extension's code runs inside the model, or "". Examples: ControlNet's reference-only, NegPiP, SEG.

    Such code may treat prompts and negative prompts differently, count calls, or mix batch entries.
    """
    for part in parts.attention:
        for name in ("forward", "_forward"):
            if is_replaced(part, name):
                return f"{get_owner_name(vars(part)[name])} replaces the attention"
    for module in parts.modules:
        if module._forward_hooks or module._forward_pre_hooks:
            for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
                if not is_host_function(hook):
                    return f"{get_owner_name(hook)} hooks the UNet"
    return ""
