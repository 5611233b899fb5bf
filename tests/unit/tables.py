"""Noise tables of diffusion models, from which schedules are made."""

import diffusers

ALPHAS_CUMPROD = diffusers.TCDScheduler().alphas_cumprod
TABLE = ((1 - ALPHAS_CUMPROD) / ALPHAS_CUMPROD).sqrt()
ZERO_SNR_ALPHAS_CUMPROD = diffusers.TCDScheduler(rescale_betas_zero_snr=True).alphas_cumprod
ZERO_SNR_TABLE = ((1 - ZERO_SNR_ALPHAS_CUMPROD) / ZERO_SNR_ALPHAS_CUMPROD).sqrt()
