"""Another extension with a sampler and a schedule called TCD, added as late as possible before the page is made."""

import k_diffusion.sampling
from modules import script_callbacks, sd_samplers, sd_samplers_common, sd_samplers_kdiffusion

try:
    from modules import sd_schedulers
except ImportError:
    sd_schedulers = None


def add():
    sd_samplers.all_samplers.append(
        sd_samplers_common.SamplerData(
            "TCD",
            lambda model: sd_samplers_kdiffusion.KDiffusionSampler(k_diffusion.sampling.sample_euler, model),
            ["k_tcd"],
            {},
        )
    )
    sd_samplers.all_samplers_map = {sampler.name: sampler for sampler in sd_samplers.all_samplers}
    sd_samplers.set_samplers()
    if sd_schedulers is None:
        return
    schedule = sd_schedulers.Scheduler("tcd", "TCD", k_diffusion.sampling.get_sigmas_karras)
    sd_schedulers.schedulers.append(schedule)
    sd_schedulers.schedulers_map.update({"tcd": schedule, "TCD": schedule})


script_callbacks.on_before_ui(add)  # the host calls this last, because the extension is loaded first
