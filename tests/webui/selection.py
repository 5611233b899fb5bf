"""Selects tests for a WebUI: markers, and skips that name what it lacks."""

from pathlib import Path

import pytest

from .features import LACKS

long = pytest.mark.long
MINIATURE = "model as small as the miniature"
FIX_STEPS = "setting for the number of img2img steps"

HERE = Path(__file__).parent
THIS = {"sd-webui-tcd": HERE.parents[1]}
"""This extension's folder, by its name."""


def needs(ability, name):
    if not ability:
        pytest.skip(LACKS + name)


def find_extension(request, name):
    """Returns another extension's folder by its repository's name, or skips the test if it is not installed."""
    folder = request.config.getoption("--extensions") or request.config.getoption("--webui") / "extensions"
    extension = folder.expanduser().resolve() / name
    needs(extension.is_dir(), name)
    return extension
