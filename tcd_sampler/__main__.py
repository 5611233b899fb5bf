"""The demo without a WebUI: a web page, or one image with --prompt. See tcd_sampler.lab.demo.command."""

from .lab.demo.command import main

if __name__ == "__main__":
    raise SystemExit(main())
