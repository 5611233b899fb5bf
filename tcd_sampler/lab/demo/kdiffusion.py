"""k-diffusion, without the warnings that its import brings."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import k_diffusion

__all__ = ["k_diffusion"]
