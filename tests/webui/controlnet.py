"""Fields of jobs with ControlNet, and an adapter for it."""

import torch
from safetensors.torch import save_file

from .jobs import make_image

MODES = ["Balanced", "My prompt is more important", "ControlNet is more important"]


def write_adapter(file, width=320, gain=4.0):
    """Writes a T2I-Adapter for a UNet with one level. It adds the image's brightness to each latent pixel."""
    conv_in = torch.zeros(width, 192, 3, 3)  # three colors of 8x8 pixels
    signs = torch.where(torch.rand(width, generator=torch.Generator().manual_seed(0)) < 0.5, -1.0, 1.0)
    conv_in[:, :, 1, 1] = gain / 192 * signs[:, None]
    weights = {"conv_in.weight": conv_in, "conv_in.bias": torch.zeros(width)}
    for i in (0, 1):  # the residual blocks add nothing
        weights[f"body.{i}.block2.weight"] = torch.zeros(width, width, 1, 1)
        weights[f"body.{i}.block2.bias"] = torch.zeros(width)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: weight.half() for key, weight in weights.items()}, file)


def with_unit(**unit):
    """Returns the fields of a job with one unit."""
    unit = {"enabled": True, "module": "none", "image": make_image(), "save_detected_map": False, **unit}
    return {"scripts": {"ControlNet": {"args": [unit]}}}
