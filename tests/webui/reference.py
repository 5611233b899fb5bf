"""Replays recorded jobs of a WebUI through diffusers' TCDScheduler."""

import diffusers
import pytest
import torch
from diffusers.schedulers.scheduling_tcd import rescale_zero_terminal_snr

from .compare import distance

LEAST_ALPHA = 4.8973451890853435e-08
"""The last alpha_bar of the WebUIs with a zero terminal SNR; diffusers has 0."""


def get_zero_snr_table():
    """Returns alpha_bar by diffusers' function, (1000,). The scheduler's own, in float32, is less precise."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    table = (1 - rescale_zero_terminal_snr(betas)).cumprod(0).float()
    table[-1] = LEAST_ALPHA
    return table


def replay(record, gamma, start=None, zero_snr=False):
    """Returns relative L2 distances of a recorded job's latents to the reference's, with the job's denoised and noise.

    The reference starts from the host's own noise, or from the given start.
    """
    x, denoised = torch.from_numpy(record["x"]), torch.from_numpy(record["denoised"])
    final = torch.from_numpy(record["final"][-1]) if "final" in record else None
    sigmas = torch.from_numpy(record["sigma"]).reshape(-1, 1, 1, 1, 1)
    scheduler = diffusers.TCDScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="sample"
    )
    if zero_snr:
        scheduler.alphas_cumprod = get_zero_snr_table()
    table = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()
    timesteps = [int((table - sigma).abs().argmin()) for sigma in sigmas]
    scheduler.set_timesteps(timesteps=timesteps)
    first_noise, *noises = torch.from_numpy(record["noise"])
    noises = iter(noises[-(len(x) - 1) :])
    latent = first_noise if start is None else start
    distances = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffusers.schedulers.scheduling_tcd.randn_tensor", lambda *_, **__: next(noises))
        for t, here, sigma, x0 in zip(scheduler.timesteps, x, sigmas, denoised):
            distances.append(distance(here / (1 + sigma[0] ** 2).sqrt(), latent))
            latent = scheduler.step(x0, t, latent, eta=gamma).prev_sample
    if final is not None:
        distances.append(distance(final, latent))
    return distances, timesteps
