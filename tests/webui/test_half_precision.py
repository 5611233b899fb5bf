"""With the UNet in half precision, TCD's latents change as little as those of the WebUI's own samplers."""

import torch

from .compare import distance
from .jobs import Jobs
from .selection import long, needs

JOBS = {
    "Euler a": ([], {"sampler_name": "Euler a"}),
    "LCM": ([], {"sampler_name": "LCM"}),
    **{f"TCD, gamma {gamma}": ([gamma], {}) for gamma in (0, 0.3, 1)},
}
"""Arguments of the script, and other fields, by the name that the test prints."""

FACTOR = 2
"""How much more than Euler a TCD may change. A GPU's factors are in docs/accuracy-and-speed.md."""


def get_latents(jobs):
    """Returns the final latents of each job."""
    return {
        name: torch.from_numpy(jobs.txt2img(*arguments, record=True, **fields).record["denoised"][-1]).double()
        for name, (arguments, fields) in JOBS.items()
    }


@long
def test_latents_in_half_precision(start_webui, jobs, webui, tmp_path, capsys):
    needs(webui.has_half_precision, "half precision on a CPU")
    full = get_latents(jobs)
    half_webui = start_webui()
    half_webui.flags.remove("--no-half")
    half_webui.flags[half_webui.flags.index("--precision") + 1] = "half"
    with half_webui:
        half = get_latents(Jobs(half_webui, tmp_path))
    distances = {name: distance(half[name], full[name]) for name in JOBS}
    with capsys.disabled():
        for name, found in distances.items():
            print(f"\n{name}: {found:.1e}", end="")
    assert distances["Euler a"] > 1e-5  # it is half precision
    assert max(distances.values()) <= FACTOR * distances["Euler a"]
