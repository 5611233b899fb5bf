"""The WebUI runs this file at start and at every Reload UI."""

from tcd_sampler.webui import TCDScript, install

__all__ = ["TCDScript"]

install()
