"""Guidance: A1111 evaluates negative prompts at any CFG scale. Its forks skip them at CFG 1 themselves."""

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from types import CodeType
from typing import Any

from modules import sd_samplers_kdiffusion

KNOWN_SOURCES = {
    "6d3353de": "CFGDenoiser.forward (one step) in A1111 1.6 and 1.7",
    "59f00e35": "CFGDenoiser.forward in A1111 1.8",
    "a824eb8d": "CFGDenoiser.forward in A1111 1.9",
    "cd578dd5": "CFGDenoiser.forward in A1111 1.10 and dev, and in the AMD fork",
    "337de74c": "CFGDenoiser.combine_denoised (the guidance) in all of them",
}
"""Host functions that denoiser.py relies on, by the start of their source's SHA-256. It ignores any other code."""


def is_known(function: Callable[..., Any]) -> bool:
    """Whether a function has known source code. Extensions and future host versions may replace it."""
    return get_hash(function) in KNOWN_SOURCES


def get_hash(function: Callable[..., Any]) -> str:
    """Returns the hash of a function's source, or "" if the source is unavailable."""
    # the code object's source, because inspect would follow a decorated function to the original
    return hash_source(getattr(function, "__code__", None))


@cache
def hash_source(code: CodeType | None) -> str:
    try:
        return hashlib.sha256(inspect.getsource(code).encode()).hexdigest()[:8]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""


def supports_single_pass() -> bool:
    """Whether the host's denoiser is known, so that denoiser.py can skip negative prompts at CFG 1."""
    return is_known(sd_samplers_kdiffusion.CFGDenoiserKDiffusion.forward)


def get_cfg_scale_factor(denoiser: Any) -> float:
    """Returns the factor of the CFG scale in this step. The attribute is misspelled in A1111, since 1.10."""
    return float(getattr(denoiser, "cond_scale_miltiplier", 1))


def needs_uncond(denoiser: Any) -> bool:
    """Whether an extension requested the unconditional output of the last step (A1111 since 1.6)."""
    return bool(getattr(denoiser, "need_last_noise_uncond", False))
