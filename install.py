"""Installs nothing: the extension uses only packages that come with a WebUI. WebUIs run this file at every start."""

import os
import sys

# By hand: with arguments, or on a terminal. WebUIs set PYTHONPATH, and some let their terminal through.
if len(sys.argv) > 1 or (sys.stdout and sys.stdout.isatty() and "PYTHONPATH" not in os.environ):
    print("There is nothing to install. To download LoRAs, run: python -m tcd_sampler download --list")
