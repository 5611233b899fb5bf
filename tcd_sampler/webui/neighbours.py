"""Whether another extension has a part in what the UNet evaluates, and which.

Only what runs can be told: an extension that is idle, but leaves its callback or its guidance in place, counts.
"""

import inspect
from pathlib import Path
from typing import Any

import torch
from modules import script_callbacks, shared

from .compat import guidance


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
        self.attention = [part for block in blocks for part in (block, block.attn1, getattr(block, "attn2", block))]


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


def is_replaced(owner: Any, name: str) -> bool:
    """Whether an object runs other code by this name than its class does."""
    method = vars(owner).get(name)
    return method is not None and getattr(method, "__func__", method) is not getattr(type(owner), name, None)


def name_owner(function: Any) -> str:
    """Returns the extension that a function is of, by the folder of its file, or the file's name."""
    function = getattr(function, "func", function)  # of a functools.partial
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if code is None:
        return type(function).__name__
    path = Path(code.co_filename)
    folders = ["", *(parent.name for parent in path.parents)]
    of = (
        inner for inner, outer in zip(folders, folders[1:]) if inner and outer in ("extensions", "extensions-builtin")
    )
    return next(of, path.name)


def is_hosts_own(function: Any) -> bool:
    """Whether a function is of the host's modules, such as the hooks that move a model's parts in its --medvram."""
    return (getattr(function, "__module__", None) or "").split(".")[0] == "modules"
