"""TCD without a WebUI: a page in the browser, or with --prompt a picture. See tcd_sampler.demo.command."""

from .demo.command import main

if __name__ == "__main__":
    raise SystemExit(main())
