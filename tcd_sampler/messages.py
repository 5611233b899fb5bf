"""Every sentence that a user reads, errors included, with places for values; localizations/ has translations."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """A sentence, as its template and what goes into it, so that it can be translated."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)


# Bad input, answered with HTTP 422

BAD_GAMMA = "{field} must be a number from 0 to 1, got {value}."
BAD_STEPS = "n must be a number of steps from 0 up, got {value}."
NO_NOISE_TABLE = "model must have a noise table: TCD needs a discrete denoiser such as k-diffusion's."
NOT_A_DIFFUSION_MODEL = (
    "TCD needs a diffusion model with 1000 ascending noise levels that reach past 1 (SD 1.x, SD 2.x, SDXL), "
    "not a flow model (SD3, Flux) or another family."
)
BAD_SETTING = "The setting {field} must be {allowed}, got {value}."
UNKNOWN_PRESET = "TCD preset must be one of: {names}; got {value}."
PRESET_FOR_IMG2IMG = "TCD preset {preset} is for img2img."
NO_SAMPLER = "TCD preset {preset} needs the sampler {sampler}, which is not installed."

# Presets in a file, and their buttons

PRESET_TEXT = "The {field} of a TCD preset must be text, got {value}."
PRESET_NUMBER = "TCD preset {preset}: {field} must be a number from {low} to {high}, got {value}."
PRESET_WHOLE_NUMBER = "TCD preset {preset}: {field} must be a whole number from {low} to {high}, got {value}."
PRESET_FIELDS = "A TCD preset must have a name and any of {fields}, got {value}."
NOT_A_LIST = "it is not a list"
CANNOT_READ_PRESETS = "{file} cannot be read ({reason}). Fix or remove the file."
CANNOT_WRITE = "{file} cannot be written ({reason})."
SAVE_BUILT_IN = "TCD preset {preset} is built in: save yours under another name."
DELETE_BUILT_IN = "TCD preset {preset} is built in and cannot be deleted."

# LoRA files

NOT_SAFETENSORS = "{file} cannot be read as a safetensors file ({reason})."
UNREADABLE_CONFIG = "{file} cannot be converted: its {key} cannot be read ({reason})."
UNKNOWN_TENSOR = "{file} cannot be converted: it has an unknown tensor {tensor}."
ALREADY_KOHYA = "{file} is in kohya's format already."
FILE_EXISTS = "{file} exists already. Delete or rename it first."
NO_PACKAGE = "{lora} was not downloaded: this WebUI has no Python package {package}."
OFFLINE = "{lora} was not downloaded: HF_HUB_OFFLINE is set. Unset it to download."
BAD_ENDPOINT = "HF_ENDPOINT must be a URL such as {example}, got {value}."
NO_FOLDER = "The folder {folder} does not exist. Create it or choose another."
DISK_FULL = "{lora} was not downloaded: the disk of {folder} is full. The file needs {size} MB."
UNREACHABLE = (
    "{lora} was not downloaded: {host} is unreachable. Check the internet connection or set HF_ENDPOINT to a mirror."
)
INTERRUPTED = "{lora} was not downloaded: the connection to {host} was interrupted. Try again."
LOGIN_REQUIRED = "{lora} was not downloaded: {host} requires a login (HTTP {status}). Download it from {page}."
NOT_ON_HOST = (
    "{lora} was not downloaded: not found on {host} (HTTP {status}). "
    "Look for it at {page} or set HF_ENDPOINT to another mirror."
)
HTTP_ERROR = "{lora} was not downloaded: {host} returned HTTP {status}. Try again later or set HF_ENDPOINT to a mirror."
NOT_HTTPS = "{lora} was not downloaded: {host} redirects to an insecure address. Set HF_ENDPOINT to a mirror."
BAD_REQUEST = "{lora} was not downloaded: the request to {host} failed ({reason}). Check HF_ENDPOINT."
SIZE_MISMATCH = "{lora} was not downloaded: size mismatch on {host}. Update this extension or try another mirror."
CHECKSUM_MISMATCH = "{lora} was not downloaded: checksum mismatch. Try again or set HF_ENDPOINT to another mirror."
UNKNOWN_LORA = "LoRA name must be one of: {names}; got {value}."
NO_LORA_NAME = "No LoRA name given. Choose from: {names}."
NO_LORA_FOLDER = "No WebUI found around this extension. Set the LoRA folder with --to FOLDER."

# What was done instead of what was asked, below a job's pictures

ETA_USED = "TCD ran with gamma {gamma} from the request's eta. Send the script argument to choose another gamma."
ETA_NOT_USED = "TCD ran with gamma {gamma}. The request's eta, {eta}, was not used."
PRESET_NOT_USED = "The request itself sets {fields}, so the preset {preset} did not change them."
UNKNOWN_SCHEDULE = "TCD ran with its own schedule, since this WebUI has no schedule type {schedule}."
NO_SUCH_LORA = "The preset {preset} wants a LoRA {lora} for {family}, which is not here: it ran without."

# Hints, below a job's pictures

NO_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: pictures may come out soft."
ADD_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: add {tag} to the prompt."
GET_LORA = "No TCD LoRA is active, and {checkpoint} is not known as distilled: get {lora}, beside the TCD presets."
UNREADABLE = "{tag} cannot be read, so this WebUI applied no LoRA at all. Correct it."
AMBIGUOUS = "{lora} is the alias of several LoRAs, so this WebUI loads none of them. Use a file name."
UNKNOWN = "There is no LoRA {lora} here; some WebUIs then leave out all LoRAs."
FAMILY = "{lora} is a LoRA for {family}, and the checkpoint is {checkpoint_family}."
FORMAT = (
    "{lora} is in the format of {format}, of which this WebUI loads little or nothing: "
    "Apply, beside the TCD presets, offers a copy that it loads."
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

# What is wrong with a LoRA's file

EMPTY_FILE = "{lora} cannot be loaded: its file is empty. Download it again."
WEB_PAGE = "{lora} cannot be loaded: its file is a web page. Download it again."
LFS_POINTER = "{lora} cannot be loaded: its file is a Git LFS pointer. Download the LoRA itself."
PICKLE_FILE = "{lora} cannot be loaded: its file is a PyTorch file. Rename it from .safetensors to .pt."
MISSING_FILE = "{lora} cannot be loaded: its file does not exist. Check the link or refresh the list of LoRAs."
DAMAGED_FILE = "{lora} cannot be loaded: its file is damaged or incomplete. Download it again."

FAILED = "Internal error in the TCD extension: {error}. See the log of the WebUI."

# Presets, below their buttons

APPLIED = "{preset} is set."
ADDED = "{preset} is set, with {lora}."
NO_FILE = "{preset} is set, but there is no {lora} LoRA for {family} here."
NO_FILE_GET = (
    "{preset} is set, but there is no {lora} LoRA for {family} here: Get LoRA fetches {file} ({size} MB, {license})."
)
FOREIGN = "{lora} is in a format of which this WebUI loads little or nothing: Convert LoRA makes a copy that it loads."
SAVED = "{preset} is saved."
DELETED = "{preset} is deleted."
NOTHING_TO_GET = "There is no {lora} LoRA for {family} to get."
IS_THERE = "{lora} is here now: Apply puts it into the prompt."
CONVERTED = "{lora} is in the prompt now, in place of {original}."
