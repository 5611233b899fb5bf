"""What is said to users beside errors: sentences with places for values, which localizations/ has translations of."""

from dataclasses import dataclass, field
from typing import Any

from .loras.header import DAMAGED, EMPTY, GONE, PAGE, PICKLE, POINTER


@dataclass(frozen=True)
class Text:
    """A sentence, as its template and what goes into it, so that it can be translated."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)


# What was done instead of what was asked, below a job's pictures

ETA_USED = "TCD ran with gamma {gamma} from the request's eta. Send the script argument to choose another gamma."
ETA_NOT_USED = "TCD ran with gamma {gamma}. The request's eta, {eta}, was not used."
RECIPE_NOT_USED = "The request itself sets {fields}, so the recipe {recipe} did not change them."
UNKNOWN_SCHEDULE = "TCD ran with its own schedule, since this WebUI has no schedule type {schedule}."
NO_SUCH_LORA = "The recipe {recipe} wants a LoRA {lora} for {family}, which is not here: it ran without."

# Hints, below a job's pictures

NO_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: pictures may come out soft."
ADD_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: add {tag} to the prompt."
GET_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: get {lora}, beside the TCD recipes."
UNREADABLE = "{tag} cannot be read, so this WebUI applied no LoRA at all. Correct it."
AMBIGUOUS = "{lora} is the alias of several LoRAs, so this WebUI loads none of them. Use a file name."
UNKNOWN = "There is no LoRA {lora} here; some WebUIs then leave out all LoRAs."
FAMILY = "{lora} is a LoRA for {family}, and the checkpoint is {checkpoint_family}."
FORMAT = (
    "{lora} is in the format of {format}, of which this WebUI loads little or nothing: "
    "Apply, beside the TCD recipes, offers a copy that it loads."
)
OTHER_LORA = "{lora} is a LoRA of {line}, not for TCD: it wants {sampler}, {steps} steps, CFG scale {cfg_scale}."
OTHER_LORA_BY_NAME = (
    "{lora} is, by its name, a LoRA of {line}, not for TCD: it wants {sampler}, {steps} steps, CFG scale {cfg_scale}."
)
CFG_SCALE = "CFG scale {cfg_scale} is too high for {lora}, which has guidance in it: set it to {wanted}."
SCHEDULE = "At {steps} steps, {schedule} is not the schedule that TCD wants: set the schedule type to Automatic."
STEPS = (
    "At denoising strength {strength}, {run} of the {steps} steps run: ask for {more}, or turn on in the settings "
    "that img2img does exactly the steps that the slider says."
)

FAULTS = {
    EMPTY: "{lora} cannot be loaded: its file is empty. Download it again.",
    PAGE: "{lora} cannot be loaded: its file is a web page. Download it again.",
    POINTER: "{lora} cannot be loaded: its file is a Git LFS pointer. Download the LoRA itself.",
    PICKLE: "{lora} cannot be loaded: its file is a PyTorch file. Rename it from .safetensors to .pt.",
    GONE: "{lora} cannot be loaded: its file does not exist. Check the link or refresh the list of LoRAs.",
    DAMAGED: "{lora} cannot be loaded: its file is damaged or incomplete. Download it again.",
}
"""By what is wrong with a LoRA's file."""

FAILED = "Internal error in the TCD extension: {error}. See the log of the WebUI."

# Recipes, below their buttons

APPLIED = "{recipe} is set."
ADDED = "{recipe} is set, with {lora}."
NO_FILE = "{recipe} is set, but there is no {lora} LoRA for {family} here."
NO_FILE_GET = (
    "{recipe} is set, but there is no {lora} LoRA for {family} here: Get LoRA fetches {file} ({size} MB, {licence})."
)
FOREIGN = "{lora} is in a format of which this WebUI loads little or nothing: Convert LoRA makes a copy that it loads."
SAVED = "{recipe} is saved."
DELETED = "{recipe} is deleted."
NOTHING_TO_GET = "There is no {lora} LoRA for {family} to get."
IS_THERE = "{lora} is here now: Apply puts it into the prompt."
CONVERTED = "{lora} is in the prompt now, in place of {original}."
