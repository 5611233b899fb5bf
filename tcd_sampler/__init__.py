"""Trajectory Consistency Distillation (TCD, arXiv 2402.19159) for k-diffusion models."""

from .sampling import sample_tcd
from .schedule import get_sigmas_tcd, tcd_timesteps

__version__ = "0.6.0"

__all__ = ["get_sigmas_tcd", "sample_tcd", "tcd_timesteps"]
