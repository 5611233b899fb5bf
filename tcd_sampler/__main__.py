"""Runs `python -m tcd_sampler` and `tcd`: see tcd_sampler.lab.command."""

from .lab.command import main

if __name__ == "__main__":
    raise SystemExit(main())
