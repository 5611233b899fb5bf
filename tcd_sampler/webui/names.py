"""Names that other people's scripts, requests and images rely on: they do not change."""

NAME = "TCD"
"""The sampler's, the schedule's label's and the script's."""

ALIAS = "tcd"
"""The sampler's alias and the schedule's name."""

GAMMA = "TCD gamma"
HIRES_GAMMA = "TCD hires gamma"
"""In infotexts, and on the controls."""

ENSD = "ENSD"
"""The host's infotext key for what it adds to the seeds of step noise."""

SAME = "same"
"""The hires gamma that is the first pass's."""

# The settings
DEFAULT_GAMMA_OPTION = "tcd_default_gamma"
SINGLE_PASS_OPTION = "tcd_cfg1_single_pass"
WARNINGS_OPTION = "tcd_warnings"
DISTILLED_OPTION = "tcd_distilled_checkpoints"

WARNINGS = "TCD warnings"
"""In the API's info."""
