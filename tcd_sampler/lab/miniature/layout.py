"""Converts the names of tensors between diffusers' models and checkpoints in SDXL's layout."""

import re

import torch

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "conditioner.embedders.{}.transformer.text_model."

Rules = dict[str, str]

UNET_PARTS: Rules = {
    r"^time_embedding\.linear_1": "time_embed.0",
    r"^time_embedding\.linear_2": "time_embed.2",
    r"^add_embedding\.linear_1": "label_emb.0.0",
    r"^add_embedding\.linear_2": "label_emb.0.2",
    r"^conv_in": "input_blocks.0.0",
    r"^conv_norm_out": "out.0",
    r"^conv_out": "out.2",
    r"^mid_block\.resnets\.0": "middle_block.0",
    r"^mid_block\.attentions\.0": "middle_block.1",
    r"^mid_block\.resnets\.1": "middle_block.2",
}
RESNET_PARTS: Rules = {
    r"\.norm1\.": ".in_layers.0.",
    r"\.conv1\.": ".in_layers.2.",
    r"\.time_emb_proj\.": ".emb_layers.1.",
    r"\.norm2\.": ".out_layers.0.",
    r"\.conv2\.": ".out_layers.3.",
    r"\.conv_shortcut\.": ".skip_connection.",
}
VAE_PARTS: Rules = {
    r"conv_shortcut": "nin_shortcut",
    r"conv_norm_out": "norm_out",
    r"mid_block\.resnets\.0": "mid.block_1",
    r"mid_block\.resnets\.1": "mid.block_2",
    r"mid_block\.attentions\.0": "mid.attn_1",
    r"\.group_norm\.": ".norm.",
    r"\.to_([qkv])\.": r".\1.",
    r"\.to_out\.0\.": ".proj_out.",
    r"down_blocks\.(\d)\.resnets": r"down.\1.block",
    r"down_blocks\.(\d)\.downsamplers\.0": r"down.\1.downsample",
}
MATRIX = re.compile(r"mid_block\.attentions\.0\.to_.*weight$")
"""Matrices of the autoencoder. SDXL's layout stores them as 1x1 convolutions."""


def replace_all(name: str, rules: Rules) -> str:
    for pattern, replacement in rules.items():
        name = re.sub(pattern, replacement, name)
    return name


def get_block_key(match: re.Match[str], layers: int = 2) -> str:
    """Returns the key of a UNet block. The layout numbers all blocks of a direction; input block 0 is conv_in."""
    direction, stage, kind, index = match[1], int(match[2]), match[3], int(match[4])
    first = stage * (layers + 1)
    if kind == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers}.UPSAMPLER.conv"
    block = f"input_blocks.{first + index + 1}" if direction == "down" else f"output_blocks.{first + index}"
    return f"{block}.{0 if kind == 'resnets' else 1}"


def get_unet_keys(names: list[str]) -> dict[str, str]:
    """Returns the keys of a UNet2DConditionModel's tensors, by their names. It must have two layers per block."""
    block = r"^(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)(?:(?<=samplers\.0)\.conv)?"
    keys = {}
    for name in names:
        parts = UNET_PARTS | (RESNET_PARTS if ".resnets." in name else {})
        key = re.sub(block, get_block_key, replace_all(name, parts))
        stage = name.split(".")[1]
        attention = any(other.startswith(f"up_blocks.{stage}.attentions.") for other in names)
        keys[name] = UNET + key.replace("UPSAMPLER", "2" if attention else "1")
    return keys


def get_vae_keys(names: list[str]) -> dict[str, str]:
    """Returns the keys of an AutoencoderKL's tensors, by their names. It must have four stages."""
    up = r"up_blocks\.(\d)\.(resnets|upsamplers\.0)"

    def place(match: re.Match[str]) -> str:
        return f"up.{3 - int(match[1])}.{'block' if match[2] == 'resnets' else 'upsample'}"

    return {name: VAE + re.sub(up, place, replace_all(name, VAE_PARTS)) for name in names}


def to_sdxl(unet: torch.nn.Module, vae: torch.nn.Module, texts: list[torch.nn.Module]) -> dict[str, torch.Tensor]:
    """Returns all tensors of a checkpoint, in float16."""
    weights = unet.state_dict()
    tensors = {key: weights[name] for name, key in get_unet_keys(list(weights)).items()}
    weights = vae.state_dict()
    for name, key in get_vae_keys(list(weights)).items():
        tensors[key] = weights[name][:, :, None, None] if MATRIX.search(name) else weights[name]
    for number, text in enumerate(texts):
        for name, tensor in text.state_dict().items():
            tensors[TEXT.format(number) + name.removeprefix("text_model.")] = tensor
    return {key: tensor.detach().half().contiguous() for key, tensor in tensors.items()}


def from_sdxl(
    tensors: dict[str, torch.Tensor], unet: torch.nn.Module, vae: torch.nn.Module, texts: list[torch.nn.Module]
) -> None:
    """Loads a checkpoint's tensors into the models.

    Raises KeyError if a tensor is missing, and RuntimeError if one has another shape.
    """
    keys = get_unet_keys(list(unet.state_dict()))
    unet.load_state_dict({name: tensors[key] for name, key in keys.items()})
    keys = get_vae_keys(list(vae.state_dict()))
    vae.load_state_dict(
        {name: tensors[key][:, :, 0, 0] if MATRIX.search(name) else tensors[key] for name, key in keys.items()}
    )
    for number, text in enumerate(texts):
        names = list(text.state_dict())
        text.load_state_dict({name: tensors[TEXT.format(number) + name.removeprefix("text_model.")] for name in names})
