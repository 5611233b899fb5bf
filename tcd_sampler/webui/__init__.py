"""The one door to the WebUI: nothing outside this package imports the host's modules."""

from .install import install
from .script import TCDScript

__all__ = ["TCDScript", "install"]
