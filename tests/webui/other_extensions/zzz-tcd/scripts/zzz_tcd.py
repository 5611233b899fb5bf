"""Another extension with a sampler called TCD, loaded after this project's. It adds the sampler in any case."""

import k_diffusion.sampling
from modules import sd_samplers, sd_samplers_common, sd_samplers_kdiffusion

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
