"""Templates of all messages and errors that a user reads. The files in localizations/ translate them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """A sentence as a template and its values. They stay apart so that the template can be translated."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)
    """Plain values, or nested messages."""

    def __str__(self) -> str:
        return self.template.format(**self.values)


# Bad input (HTTP 422 in the API)

BAD_GAMMA = "{field} must be a number from 0 to 1, got {value}."
BAD_HIRES_GAMMA = '{field} must be "same" or a number from 0 to 1, got {value}.'
BAD_STEPS = "n must be a whole number of 0 or more, got {value}."
NO_NOISE_TABLE = "model must have a noise table: TCD needs a discrete denoiser such as k-diffusion's."
NOT_A_DIFFUSION_MODEL = (
    "TCD needs a checkpoint for SD 1.x, SD 2.x or SDXL. This model is a flow model (SD3, Flux) or has an "
    "unsupported noise schedule."
)
BAD_SWITCH = "The setting {field} must be true or false, got {value}."
BAD_TEXT = "The setting {field} must be text, got {value}."
UNKNOWN_PRESET = "TCD preset must be one of: {names}; got {value}."
PRESET_FOR_IMG2IMG = "TCD preset {preset} works in img2img only: it sets a denoising strength."
NO_SAMPLER = "TCD preset {preset} needs the sampler {sampler}, which is not installed."

# Errors in the presets' file and from the preset buttons

PRESET_TEXT = "The {field} of a TCD preset must be non-empty text, got {value}."
NO_PRESET_NAME = "Enter a name for the TCD preset first."
PRESET_NUMBER = "TCD preset {preset}: {field} must be a number from {low} to {high}, got {value}."
PRESET_WHOLE_NUMBER = "TCD preset {preset}: {field} must be a whole number from {low} to {high}, got {value}."
PRESET_FIELDS = "A TCD preset must have a name, and its other fields must be among {fields}; got {value}."
NOT_A_LIST = "not a JSON list"
CANNOT_READ_PRESETS = "{file} cannot be read. Fix or remove the file. Reason: {reason}"
CANNOT_WRITE = "{file} cannot be written ({reason})."
SAVE_BUILT_IN = "TCD preset {preset} is built in: save yours under another name."
DELETE_BUILT_IN = "TCD preset {preset} is built in and cannot be deleted."

# LoRA files

NOT_SAFETENSORS = "{file} cannot be read as a safetensors file ({reason})."
UNREADABLE_CONFIG = "{file} cannot be converted: its {key} cannot be read ({reason})."
UNKNOWN_TENSOR = "{file} cannot be converted: it has an unknown tensor {tensor}."
ALREADY_KOHYA = "{file} is already in kohya's format."
FILE_EXISTS = "{file} exists already. Delete or rename it first."
NO_PACKAGE = "{lora} was not downloaded: this WebUI has no Python package {package}. Download the file by hand."
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

THIS_CHECKPOINT = "this checkpoint"
"""Replaces the base model's name if that is unknown."""

# Reasons why a preset's LoRA is not used

NO_SUCH_LORA = "no {lora} for {family} is installed"
LORA_OF_OTHER_FAMILY = "{lora} is for {lora_family}, not for {family}"

# Deviations from the request, shown below a job's images

ETA_USED = "TCD used the request's eta as gamma ({gamma}). Send the gamma argument to set another gamma."
ETA_NOT_USED = "TCD used gamma {gamma} and ignored the request's eta ({eta})."
PRESET_NOT_USED = 'The request sets {fields}, so the preset "{preset}" did not change them.'
UNKNOWN_SCHEDULE = "This WebUI has no schedule type {schedule}. TCD used its own schedule."
WITHOUT_LORA = 'The preset "{preset}" was applied without its LoRA: {reason}.'

# Warnings about a job's settings, shown below its images

NO_LORA = "No TCD LoRA is active, and {checkpoint} is not a known distilled checkpoint. Images may be blurry."
ADD_LORA = "No TCD LoRA is active, and {checkpoint} is not a known distilled checkpoint. Add {tag} to the prompt."
DOWNLOAD_LORA = (
    "No TCD LoRA is active, and {checkpoint} is not a known distilled checkpoint. Install {lora}: select the preset "
    '"{preset}" and click Download LoRA, or download it by hand.'
)
UNREADABLE = "This WebUI cannot read {tag} and applied no LoRA at all. Correct the tag."
UNREADABLE_SETTING = "The setting {field} must be the name of a LoRA, got {value}. This WebUI applied no LoRA at all."
AMBIGUOUS = "{lora} is the alias of several LoRAs, so this WebUI loads none of them. Use a file name."
UNKNOWN = "LoRA {lora} was not found. Check its name or refresh the Lora tab. Some WebUIs skip all LoRAs until then."
FAMILY = "{lora} is a LoRA for {family}, but the checkpoint is {checkpoint_family}. Use a LoRA for {checkpoint_family}."
UNSUPPORTED_FORMAT = (
    "This WebUI cannot load all of {lora} ({format} format). Use a copy in kohya's format: apply a TCD preset whose "
    "LoRA is installed, then click Convert LoRA."
)
OTHER_LORA = (
    "{lora} is not a TCD LoRA (method: {method}). Remove it, or use sampler {sampler}, {steps} steps and CFG "
    "scale {cfg_scale}."
)
OTHER_LORA_BY_NAME = (
    "By its name, {lora} is not a TCD LoRA (method: {method}). Remove it, or use sampler {sampler}, {steps} "
    "steps and CFG scale {cfg_scale}."
)
CFG_SCALE = "{lora} is guidance-distilled: set CFG scale to {allowed} (now {cfg_scale})."
SCHEDULE = "{schedule} is not recommended for TCD at {steps} steps. Set schedule type to Automatic."
STEPS = (
    "At denoising strength {strength} only {run} of {steps} steps run. Use {more} steps, or enable 'With "
    "img2img, do exactly the amount of steps the slider specifies'."
)

# Faults of a LoRA file

EMPTY_FILE = "{lora} cannot be loaded: its file is empty. Download it again."
WEB_PAGE = "{lora} cannot be loaded: its file is a web page. Download it again."
LFS_POINTER = "{lora} cannot be loaded: its file is a Git LFS pointer. Download the LoRA itself."
PICKLE_FILE = "{lora} cannot be loaded: its file is a PyTorch file. Rename it from .safetensors to .pt."
MISSING_FILE = "{lora} cannot be loaded: its file does not exist. Fix the symbolic link or refresh the list of LoRAs."
DAMAGED_FILE = "{lora} cannot be loaded: its file is damaged or incomplete. Download it again."

FAILED = "Internal error in the TCD extension ({error}). See the WebUI's log."

# Results of the preset buttons, shown below them

APPLIED = 'Applied "{preset}".'
ADDED = 'Applied "{preset}" and added {lora} to the prompt.'
APPLIED_WITHOUT_LORA = 'Applied "{preset}" without its LoRA: {reason}.'
DOWNLOAD_OFFERED = (
    'Applied "{preset}" without its LoRA: {reason}. Click Download LoRA to get {file} ({size} MB, {license}).'
)
UNSUPPORTED = "This WebUI cannot load all of {lora}. Click Convert LoRA to create a compatible copy."
SAVED = 'Saved "{preset}".'
DELETED = 'Deleted "{preset}".'
NOT_PUBLISHED = "No download of {lora} for {family} is known."
DOWNLOADED = "Downloaded {lora}. Click Apply to add it to the prompt."
CONVERTED = "Replaced {original} in the prompt with {lora}."
