"""Measures what a job costs: seconds in the sampler, and the memory that it takes beyond what was used before."""

import ctypes
import gc
import re
import time
from pathlib import Path

from modules import scripts


def read_memory(key):
    """Returns this process's memory in bytes, as Linux counts it: VmRSS, or VmHWM, its maximum since the last reset."""
    return 1024 * int(re.search(rf"{key}:\s*(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))[1])


class Meter(scripts.Script):
    def title(self):
        return "Meter"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p):
        sample, self.costs = p.sample, {}

        def sample_metered(*args, **kwargs):
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)  # releases free memory, whose reuse would not be counted
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets VmHWM
            memory, start = read_memory("VmRSS"), time.perf_counter()
            samples = sample(*args, **kwargs)
            self.costs = {"seconds": time.perf_counter() - start, "bytes": read_memory("VmHWM") - memory}
            return samples

        p.sample = sample_metered

    def postprocess(self, p, processed):
        processed.extra_generation_params["costs"] = self.costs
