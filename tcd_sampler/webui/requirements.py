"""What this package needs of a WebUI. One that lacks any of it starts as if the extension were not there."""

from importlib import import_module

REQUIRED = {
    "rng": ["ImageRNG"],
    "script_callbacks": ["on_app_started", "on_infotext_pasted", "on_script_unloaded", "on_ui_settings"],
    "scripts": ["AlwaysVisible", "Script.on_after_component", "scripts_data"],
    "sd_samplers": ["all_samplers", "all_samplers_map", "create_sampler", "find_sampler_config", "set_samplers"],
    "sd_samplers_common": ["SamplerData"],
    "sd_samplers_kdiffusion": ["KDiffusionSampler.initialize", "KDiffusionSampler.sample"],
    "shared": ["OptionInfo", "opts.add_option", "opts.data_labels"],
}
"""Names, by the module that they are of."""


def find_missing() -> str | None:
    """The first of them that the WebUI does not have."""
    for module_name, names in REQUIRED.items():
        try:
            module = import_module(f"modules.{module_name}")
        except ImportError:
            return f"modules.{module_name}"
        for name in names:
            found = module
            for part in name.split("."):
                if not hasattr(found, part):
                    return f"modules.{module_name}.{name}"
                found = getattr(found, part)
    if getattr(import_module("modules.shared").opts, "onnx_enable", False):
        return "k-diffusion samplers while its setting onnx_enable is on"
    return None
