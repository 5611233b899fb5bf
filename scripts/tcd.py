"""The WebUI runs this file at start and at every Reload UI."""

import sys

for name in [name for name in sys.modules if name.partition(".")[0] == "tcd_sampler"]:
    del sys.modules[name]  # or an update would run the code of before it, until the WebUI itself is restarted

from tcd_sampler.webui import TCDScript, install  # noqa: E402

__all__ = ["TCDScript"]

install()
