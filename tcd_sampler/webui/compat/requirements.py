"""The host's names that this package requires. If one is missing, the extension is disabled and the WebUI starts."""

from importlib import import_module
from importlib.util import find_spec

REQUIRED = {
    "errors": ["report"],
    "extra_networks": [],
    "hashes": ["sha256", "sha256_from_cache"],
    "localization": ["localizations"],
    "paths_internal": ["data_path"],
    "processing": ["create_infotext"],
    "rng": ["ImageRNG"],
    "script_callbacks": ["on_infotext_pasted", "on_script_unloaded"],
    "scripts": ["AlwaysVisible", "Script.on_after_component", "list_scripts", "scripts_data"],
    "sd_models": ["get_closet_checkpoint_match", "select_checkpoint"],
    "sd_samplers": ["all_samplers", "all_samplers_map", "find_sampler_config", "set_samplers"],
    "sd_samplers_common": ["SamplerData"],
    "sd_samplers_kdiffusion": [
        "CFGDenoiserKDiffusion.forward",
        "CFGDenoiserKDiffusion.inner_model",
        *(f"KDiffusionSampler.{name}" for name in ("get_sigmas", "initialize", "sample")),
    ],
    "shared": [
        *("OptionHTML", "OptionInfo", "device", "opts.add_option", "opts.data", "opts.data_labels", "prompt_styles"),
        *("state.interrupt",),
        *(
            f"cmd_opts.{name}"
            for name in ("disable_extension_access", "freeze_settings", "hide_ui_dir_config", "ui_config_file")
        ),
    ],
}
"""Required names by module. The code must check for other names before it uses them, as a test verifies."""

SCHEDULES = {"sd_schedulers": ["Scheduler", "schedulers", "schedulers_map"]}
NO_SCHEDULES = {"sd_samplers_kdiffusion": ["k_diffusion_scheduler"]}
"""Names that the schedule requires on hosts with and without a list of schedules."""


def find_missing() -> str | None:
    """Returns the first required name that the WebUI does not have, or None."""
    schedules = SCHEDULES if find_spec("modules.sd_schedulers") else NO_SCHEDULES
    for module_name, names in [*REQUIRED.items(), *schedules.items()]:
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
