"""A discrete denoiser with k-diffusion's interface, for sample_tcd and other samplers."""

from collections.abc import Callable
from typing import Any

import torch

EPSILON, V_PREDICTION = "epsilon", "v_prediction"
PREDICTION_TYPES = (EPSILON, V_PREDICTION)


class DiscreteDenoiser:
    """Denoises latents with a network that was trained on discrete timesteps.

    Equals k-diffusion's DiscreteEpsDDPMDenoiser and DiscreteVDDPMDenoiser with quantize=False.

    Args:
        network: Called with latents of unit variance (batch, ...), timesteps (batch,) and the caller's arguments.
        alphas_cumprod: The training schedule, (timesteps,).
        prediction_type: What the network returns, one of PREDICTION_TYPES.

    Its attribute sigmas has the noise levels of the training schedule, ascending, (timesteps,).
    """

    def __init__(
        self, network: Callable[..., torch.Tensor], alphas_cumprod: torch.Tensor, prediction_type: str = EPSILON
    ) -> None:
        self.network, self.prediction_type = network, prediction_type
        self.sigmas = ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
        self.log_sigmas = self.sigmas.log()

    def find_timesteps(self, sigmas: torch.Tensor) -> torch.Tensor:
        """Returns the timesteps of noise levels, interpolated on a log scale and within the training schedule."""
        log_sigmas = sigmas.log()
        high = torch.bucketize(log_sigmas, self.log_sigmas).clamp(1, len(self.log_sigmas) - 1)
        low = high - 1
        weight = (log_sigmas - self.log_sigmas[low]) / (self.log_sigmas[high] - self.log_sigmas[low])
        return low + weight.clamp(0, 1)

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, **arguments: Any) -> torch.Tensor:
        """Returns the denoised latents of x (batch, ...) at noise levels sigma (batch,)."""
        level = sigma.reshape(-1, *[1] * (x.ndim - 1))
        scale = (1 + level**2).sqrt()
        output = self.network(x / scale, self.find_timesteps(sigma), **arguments)
        return x - level * output if self.prediction_type == EPSILON else x / scale**2 - output * level / scale
