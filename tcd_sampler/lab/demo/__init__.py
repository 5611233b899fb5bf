"""The demo: images without a WebUI."""

import os

# transformers otherwise warns of image processors that the demo does not use
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
