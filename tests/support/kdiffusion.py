"""Imports k-diffusion, the reference for sample_tcd's interface, or skips the test if it is not installed."""

import warnings

import pytest

REASON = "k-diffusion is not installed: it needs numpy 1, which has no wheels for Python 3.13 and later"


def import_k_diffusion():
    """Returns the module without the warnings of its import (pkg_resources, wandb), or skips the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("k_diffusion", reason=REASON)
