"""Guidance: A1111 evaluates negative prompts at any CFG scale; its forks leave them out at 1 themselves."""

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

from modules import sd_samplers_kdiffusion

KNOWN_SOURCES = {
    "6d3353de": "CFGDenoiser.forward, a step, in A1111 1.6 and 1.7",
    "59f00e35": "CFGDenoiser.forward in A1111 1.8",
    "a824eb8d": "CFGDenoiser.forward in A1111 1.9",
    "cd578dd5": "CFGDenoiser.forward in A1111 1.10 and dev, and in the AMD fork",
    "337de74c": "CFGDenoiser.combine_denoised, the guidance, in all of them",
}
"""What denoiser.py relies on, by the beginning of the hash of its source. With other code it does nothing."""


def is_known(function: Callable[..., Any]) -> bool:
    """Whether a function is the host's own and known, and not an extension's in its place, or of a future host."""
    return get_hash(function) in KNOWN_SOURCES


def get_hash(function: Callable[..., Any]) -> str:
    """Of a function's source; empty where Python can show none."""
    # by its code, since a decorated function passes itself off as what it decorates
    return hash_source(getattr(function, "__code__", None))


@cache
def hash_source(code: CodeType | None) -> str:
    try:
        return hashlib.sha256(inspect.getsource(code).encode()).hexdigest()[:8]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""


def evaluates_uncond_at_cfg_1() -> bool:
    """Whether the host evaluates negative prompts at CFG scale 1, in a way that we know."""
    return is_known(sd_samplers_kdiffusion.CFGDenoiserKDiffusion.forward)


def get_cfg_scale_factor(denoiser: Any) -> float:
    """What the step multiplies the CFG scale by (A1111 since 1.10, whose spelling it is)."""
    return float(getattr(denoiser, "cond_scale_miltiplier", 1))


def needs_uncond(denoiser: Any) -> bool:
    """Whether an extension has asked the denoiser for the unconditional output of its last step (A1111 since 1.6)."""
    return bool(getattr(denoiser, "need_last_noise_uncond", False))
