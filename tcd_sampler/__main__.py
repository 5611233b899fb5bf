"""TCD without a WebUI: a page in the browser, or with --prompt a picture. See tcd_sampler.lab.demo.command."""

from .lab.demo.command import main

if __name__ == "__main__":
    raise SystemExit(main())
