"""ControlNets and IP-Adapters, loaded and applied by diffusers.

Each wraps a model's encode function, which then adds what its images contribute to the conditioning.
"""

from pathlib import Path
from typing import Any, NoReturn

import torch
from diffusers import ControlNetModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from PIL import Image, ImageOps
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import CLIPVisionModelWithProjection

from ...errors import UserError
from .. import messages
from .download import download
from .errors import first_line, is_out_of_memory
from .generation import to_tensor
from .guide_files import ENCODER_FILES, check_image_encoder, get_weights, split_hub_folder
from .model import Conditioning, Encode, Model
from .options import Guide

ERRORS = (OSError, RuntimeError, ValueError, KeyError, SafetensorError)
"""What diffusers raises for a file that is not for the checkpoint."""


class ControlledUNet(torch.nn.Module):
    """A UNet with a ControlNet, called as the UNet is, with the control image as one more argument."""

    def __init__(self, unet: Any, controlnet: Any, scale: float) -> None:
        super().__init__()
        self.unet, self.controlnet, self.scale = unet, controlnet, scale
        self.device, self.dtype = unet.device, unet.dtype

    def forward(self, x: torch.Tensor, t: torch.Tensor, control: torch.Tensor, **conditioning: Any) -> Any:
        """control: pixels (batch, 3, height, width) from 0 to 1. Everything else: as UNet2DConditionModel.forward."""
        down, mid = self.controlnet(
            x, t, controlnet_cond=control, conditioning_scale=self.scale, return_dict=False, **conditioning
        )
        residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        return self.unet(x, t, **residuals, **conditioning)


def use_controlnet(model: Model, guide: Guide) -> None:
    """Adds the guide's ControlNet to the model. Raises UserError if it is not for this UNet."""
    try:
        controlnet = load_controlnet(guide.file, model.unet)
    except ERRORS as error:
        refuse("--controlnet", guide, error)
    unet = ControlledUNet(model.unet, controlnet, guide.scale)
    model.unet, model.encode = unet, with_control(model.encode, unet, guide.image)
    model.control_image = guide.image
    model.units.append(guide.describe("none"))


def refuse(field: str, guide: Guide, error: Exception) -> NoReturn:
    """Raises UserError for a file that diffusers cannot load, unless there is too little memory for it."""
    if is_out_of_memory(error):
        raise error
    values = {"file": guide.file.name, "reason": first_line(error)}
    raise UserError(messages.GUIDE_DOES_NOT_FIT, field=field, **values) from error


def load_controlnet(path: Path, unet: Any) -> Any:
    """Loads a ControlNet of a folder, or of a file, in which case its size is that of the UNet."""
    with torch.device("meta"):
        if path.is_dir():
            controlnet = ControlNetModel.from_config(ControlNetModel.load_config(path))
        else:
            controlnet = ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    weights = convert_controlnet_checkpoint(load_file(get_weights(path)), controlnet.config)
    weights = {key: weight.to(unet.device, unet.dtype) for key, weight in weights.items()}
    controlnet.load_state_dict(weights, assign=True)
    return controlnet.eval()


def with_control(encode: Encode, unet: ControlledUNet, image: Image.Image) -> Encode:
    """Adds the control image to the conditioning, cropped to the images' shape as the WebUI does."""

    def run(prompts: list[str], negative: str, width: int, height: int) -> tuple[Conditioning, Conditioning]:
        conditionings = encode(prompts, negative, width, height)
        pixels = to_tensor(ImageOps.fit(image.convert("RGB"), (width, height), Image.Resampling.LANCZOS)) / 255
        control = pixels.to(unet.device, unet.dtype).expand(len(prompts), *pixels.shape)
        for conditioning in conditionings:
            conditioning["control"] = control
        return conditionings

    return run


def get_image_encoder(guide: Guide) -> Path:
    """Returns the folder of an IP-Adapter's image encoder, which is downloaded if it is on the hub.

    Raises UserError if it cannot be downloaded, or is not the one that the IP-Adapter was made for.
    """
    folder = Path(guide.encoder)
    if not folder.is_dir():
        repository, inner = split_hub_folder(guide.encoder)
        files = [f"{inner}/{name}".removeprefix("/") for name in ENCODER_FILES]
        folder = download(repository, files, messages.CANNOT_DOWNLOAD_ENCODER, encoder=guide.encoder) / inner
    check_image_encoder(folder, guide.file)
    return folder


def use_ip_adapter(model: Model, pipeline: Any, guide: Guide, encoder: Path) -> None:
    """Adds the guide's IP-Adapter and the image encoder of a folder to the pipeline and its model.

    Raises UserError if one of them is not for this checkpoint.
    """
    try:
        pipeline.register_modules(image_encoder=load_image_encoder(encoder, pipeline))
        pipeline.load_ip_adapter(
            str(guide.file.parent), subfolder="", weight_name=guide.file.name, image_encoder_folder=None
        )
    except ERRORS as error:
        refuse("--ip-adapter", guide, error)
    pipeline.set_ip_adapter_scale(guide.scale)
    model.encode = with_image_prompt(model.encode, pipeline, guide.image)
    model.units.append(guide.describe("ip-adapter-auto"))


def load_image_encoder(folder: Path, pipeline: Any) -> Any:
    """Loads an image encoder. Raises ValueError if its file lacks a tensor."""
    encoder, report = CLIPVisionModelWithProjection.from_pretrained(
        folder, dtype=pipeline.dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
    )
    if report["missing_keys"]:
        raise ValueError(f"the image encoder lacks {min(report['missing_keys'])}")
    return encoder.to(pipeline.device)


def with_image_prompt(encode: Encode, pipeline: Any, image: Image.Image) -> Encode:
    """Adds the embeddings of the image prompt to the conditioning."""
    with torch.no_grad():
        (embeddings,) = pipeline.prepare_ip_adapter_image_embeds(image, None, pipeline.device, 1, True)
    halves = embeddings.chunk(2)

    def run(prompts: list[str], negative: str, width: int, height: int) -> tuple[Conditioning, Conditioning]:
        text, uncond = encode(prompts, negative, width, height)
        for conditioning, half in zip((uncond, text), halves):
            added = conditioning.setdefault("added_cond_kwargs", {})
            added["image_embeds"] = [half.expand(len(prompts), *half.shape[1:])]
        return text, uncond

    return run
