"""Names that users' scripts, API requests and images depend on. They must not change."""

NAME = "TCD"
"""The name of the sampler and the script, and the schedule's label."""

ALIAS = "tcd"
"""The sampler's alias and the schedule's name."""

GAMMA = "TCD gamma"
HIRES_GAMMA = "TCD hires gamma"
"""Keys in infotexts and labels of the controls."""

ENSD = "ENSD"
"""The host's infotext key for the number that it adds to the seeds of step noise (eta noise seed delta)."""

SAME = "same"
"""The hires gamma that stands for the first pass's gamma."""

# Keys of the settings
DEFAULT_GAMMA_OPTION = "tcd_default_gamma"
SINGLE_PASS_OPTION = "tcd_cfg1_single_pass"
WARNINGS_OPTION = "tcd_warnings"
DISTILLED_OPTION = "tcd_distilled_checkpoints"
VERSION_OPTION = "tcd_version"  # a line of text without a value

WARNINGS = "TCD warnings"
"""The key of the messages in the API's info."""
