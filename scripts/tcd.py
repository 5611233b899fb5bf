"""The WebUI runs this file at start and at every Reload UI."""

import logging
import sys

for name in [name for name in sys.modules if name.partition(".")[0] == "tcd_sampler"]:
    del sys.modules[name]  # or an update would run the code of before it, until the WebUI itself is restarted

from tcd_sampler.webui.compat.requirements import find_missing  # noqa: E402

missing = find_missing()
if missing:
    logging.getLogger("tcd_sampler").error("TCD disabled: this WebUI does not provide %s.", missing)
else:
    from tcd_sampler.webui.extension import install
    from tcd_sampler.webui.script import TCDScript  # noqa: F401  (the WebUI looks for it here)

    install()
