"""Every sentence that the lab's commands and its page show, with places for values. They are in English only."""

# Commands, packages and folders

STOPPED = "Stopped."

MISSING_PACKAGE = '{command} needs the package {package}. In the repository\'s folder, run: pip install ".[{extra}]"'
NOT_A_WEBUI = "WEBUI_DIR must be the folder of a WebUI, got {folder} (it has no folder models)."
GPU_NEEDED = "benchmark-sdxl needs a GPU with CUDA, and PyTorch found none."
NO_LCM = "--webui must be the folder of an AUTOMATIC1111 WebUI, got {folder} (no sample_lcm: {reason})."

# Models

LORA_WITHOUT_CHECKPOINT = "--lora needs --checkpoint: the miniature has its own LoRA."
CONFIG_WITHOUT_CHECKPOINT = "--config needs --checkpoint: the miniature has its own configuration."
NOT_A_CONFIG = "--config must be a folder or a Hugging Face repository such as owner/name, got {config}."
NO_MODEL_INDEX = (
    "--config must be a folder in diffusers' layout (model_index.json, and subfolders with .json and .txt files), "
    "got {config}."
)
CONFIG_NEEDED = "{family} checkpoints need --config: a folder or a Hugging Face repository in diffusers' layout."
CONFIG_FOR_ANOTHER_FAMILY = "--config: {config} is for {pipeline}, but the checkpoint is {checkpoint_family}."
CANNOT_DOWNLOAD_CONFIG = (
    "The configuration {repository} cannot be downloaded ({reason}). Connect to the internet, or copy that "
    "repository's .json and .txt files, in their folders, and pass the folder with --config."
)
NOT_SAFETENSORS = "{field} must be a .safetensors file, got {file}."
IS_LFS_POINTER = "{field} must be a .safetensors file, got the Git LFS pointer {file}. Download the file itself."
NOT_A_CHECKPOINT = "{file} is not a complete SDXL, SD 1.5 or SD 2.1 checkpoint."
INPAINTING_CHECKPOINT = (
    "{file} is an inpainting or editing checkpoint (its UNet has {channels} input channels). Use one for txt2img."
)
LORA_AS_CHECKPOINT = "--checkpoint must be a checkpoint, got the LoRA {file}. Give it as --lora."
CHECKPOINT_AS_LORA = "--lora must be a LoRA, got the checkpoint {file}. Give it as --checkpoint."
NOT_A_LORA = "--lora must be a LoRA, got {file} (no tensor in it belongs to one)."
LORA_WITHOUT_UNET = "--lora must be a LoRA for the UNet of {checkpoint_family}, got {file}, which is for another model."
CANNOT_LOAD_CHECKPOINT = "{file} cannot be loaded as a checkpoint for {family} ({reason})."
NOT_THE_MINIATURE = "{file} cannot be loaded as the miniature ({reason})."
LORA_FOR_ANOTHER_FAMILY = "{file} is a LoRA for {family}, but the checkpoint is {checkpoint_family}."
LORA_DOES_NOT_FIT = "{file} cannot be loaded as a LoRA for this checkpoint ({reason})."
NO_LAYER_FITS = "none of its layers is in the UNet"
LORA_FOR_SAMPLER = "{lora} is used with the sampler {sampler} only."
LORA_FOR_ALL = "{lora} is used with every sampler."
NOT_A_WEIGHT = "--lora must be FILE or FILE:WEIGHT with a number as the weight, got {value}."
LORA_TWICE = "--lora must name LoRAs with different file names, got {lora} twice."
OUT_OF_MEMORY = "There is not enough memory for this model and size. Try a smaller size."

# ControlNets and IP-Adapters

OPTION_NEEDED = "{field} needs {needed}."
NOT_A_CONTROLNET = "--controlnet must be a ControlNet, got {file} (it has no layer for a control image)."
NOT_A_CONTROLNET_FOLDER = (
    "--controlnet must be a .safetensors file or a folder with the config.json of a ControlNetModel, got {folder}."
)
NOT_AN_IP_ADAPTER = "--ip-adapter must be an IP-Adapter for CLIP's image encoder, got {file}."
GUIDE_FOR_ANOTHER_FAMILY = "{field}: {file} is for {family}, but the checkpoint is {checkpoint_family}."
GUIDE_DOES_NOT_FIT = "{field}: {file} cannot be loaded for this checkpoint ({reason})."
NOT_AN_IMAGE_ENCODER = (
    "--image-encoder must be a folder with a CLIP image encoder (config.json and model.safetensors) or "
    "owner/name/folder on Hugging Face, got {encoder}."
)
ENCODER_DOES_NOT_FIT = "{adapter} needs an image encoder with {size} {width}, got {encoder} with {found}."
CANNOT_DOWNLOAD_ENCODER = (
    "The image encoder {encoder} cannot be downloaded ({reason}). Connect to the internet, or copy its config.json and "
    "model.safetensors into a folder and pass that folder with --image-encoder."
)

# Requests

NOT_IN_RANGE = "{field} must be a number from {low} to {high}, got {value}."
SIZE_STEP = "size must be a multiple of {factor}, got {value}."
MASK_WITHOUT_IMAGE = "--mask needs --image."
UNKNOWN_SAMPLER = "--sampler must be one of {names}, got {value}."
NO_THING = "The prompt must name one or two of these things: {things}. Got {prompt!r}."
IGNORED = "Ignored words: {words}."
ADDED = "Added: {phrases}."
SCALED = "Scaled {field} from {before} to {after}."
OTHER_NUMBER_OF_IMAGES = "--images must be {count}, the number in {file}, got {value}."
TOO_FEW_IMAGES = "--images must be {low} or more, got {value}."

# Files

CANNOT_READ = "{field}: {file} cannot be read ({reason})."
NOT_AN_IMAGE = "unknown format"
CANNOT_READ_IMAGE = "{field} must be an image file, got {file} ({reason})."
CANNOT_WRITE = "{field}: {file} cannot be written ({reason})."
NO_FOLDER = "{field}: {file} cannot be written (the folder {folder} does not exist)."
NO_IMAGE_SUFFIX = "--output must end in an image format such as .png, got {file}."
CANNOT_READ_RESULTS = "--results: {file} cannot be read ({reason}). Choose another file, or remove it to measure again."

# The page

SERVING = "Open {address} in a browser. Press Ctrl-C to stop."
GENERATED = "Generated {count} images with seed {seed}."

PORT_IN_USE = "Port {port} cannot be used ({reason}). Choose another with --port."
INTERNAL_ERROR = "Internal error: see the terminal."
