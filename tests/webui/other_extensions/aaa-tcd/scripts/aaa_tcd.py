"""Another extension with a sampler called TCD, loaded before this project's. It adds the sampler if there is none."""

import k_diffusion.sampling
from modules import sd_samplers, sd_samplers_common, sd_samplers_kdiffusion

if "TCD" not in [sampler.name for sampler in sd_samplers.all_samplers]:
    sd_samplers.all_samplers += [
        sd_samplers_common.SamplerData(
            "TCD",
            lambda model: sd_samplers_kdiffusion.KDiffusionSampler(k_diffusion.sampling.sample_euler, model),
            ["tcd"],
            {},
        )
    ]
    sd_samplers.all_samplers_map = {sampler.name: sampler for sampler in sd_samplers.all_samplers}
    sd_samplers.set_samplers()
