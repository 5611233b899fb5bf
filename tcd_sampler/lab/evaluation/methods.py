"""What is measured: every sampler, with its settings and numbers of UNet calls."""

from dataclasses import dataclass

import torch
from diffusers import DPMSolverSinglestepScheduler

from ...gamma import DEFAULT_GAMMA
from ..demo.samplers import DPM_2M, EULER_A, LCM, TCD, Callback, Denoiser, Sampler, get_karras, sample_dpm_solver
from .variants import VARIANTS

GAMMAS = (0.0, 0.3, 0.6, 1.0)
UNET_CALLS = (1, 2, 4, 8, 16, 50)
GAMMA_CALLS = UNET_CALLS[1:]
"""A single step has no gamma."""

FEW_CALLS = UNET_CALLS[:-1]

REAL, ENCODED = "real images", "real images, through the autoencoder"
"""Drawings by the program that drew the training images; and the same after the autoencoder, the best that a model
with this autoencoder can generate. Both have 0 UNet calls."""


def sample_dpmpp_2s(
    model: Denoiser,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    generator: torch.Generator,
    callback: Callback | None = None,
) -> torch.Tensor:
    """DPM-Solver++(2S), by diffusers. It adds no noise.

    diffusers counts UNet calls: each step makes two, the second at the middle level on a log scale. The step to 0 makes
    one.
    """
    between = (sigmas[:-2] * sigmas[1:-1]).sqrt()
    levels = torch.stack([sigmas[:-2], between], 1).flatten()
    scheduler = DPMSolverSinglestepScheduler(prediction_type="sample", lower_order_final=True)
    return sample_dpm_solver(scheduler, model, x, torch.cat([levels, sigmas[-2:]]), callback)


DPM_2S = Sampler("DPM++ 2S", sample_dpmpp_2s, "Karras", get_karras)
"""The paper's teacher: two UNet calls per step, and one in the last."""


@dataclass(frozen=True)
class Method:
    """A sampler with the settings that it is measured with."""

    name: str
    sampler: Sampler
    gamma: float = DEFAULT_GAMMA
    order: int = 1
    """UNet calls per step."""

    unet_calls: tuple[int, ...] = UNET_CALLS


def get_name(gamma: float) -> str:
    return f"TCD, gamma {gamma:g}"


DEFAULT = get_name(DEFAULT_GAMMA)

METHODS = [
    Method(DEFAULT, TCD),
    *(Method(get_name(gamma), TCD, gamma, unet_calls=GAMMA_CALLS) for gamma in GAMMAS if gamma != DEFAULT_GAMMA),
    Method(LCM.name, LCM),
    Method(DPM_2S.name, DPM_2S, order=2, unet_calls=UNET_CALLS[1:]),
    Method(EULER_A.name, EULER_A, unet_calls=FEW_CALLS),
    Method(DPM_2M.name, DPM_2M, unet_calls=FEW_CALLS),
    *(Method(variant.name, variant, unet_calls=(2, 4)) for variant in VARIANTS),
]
