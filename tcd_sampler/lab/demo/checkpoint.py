"""Single-file checkpoints of SDXL and SD 1.5 as models to generate with, loaded by diffusers."""

from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import SingleFileComponentError
from safetensors import SafetensorError

from ...errors import UserError
from ...loras.header import SDXL
from .. import messages
from .errors import first_line, is_out_of_memory, refuse_without_memory
from .files import check_checkpoint, check_lora
from .lora import add_lora
from .model import Conditioning, Model

SIZES = {SDXL: 1024}


def load_checkpoint(path: Path, lora: Path | None = None, config: str | None = None) -> Model:
    """Load a checkpoint, and a LoRA for TCD. Raises UserError if one of the files is not what it should be.

    config: a folder or a repository of the hub with the family's configuration and tokenizers, in diffusers' layout.
    By default it is the one that diffusers knows for the family, fetched once.
    """
    family = check_checkpoint(path)
    if lora is not None:
        check_lora(lora, family)  # before the checkpoint is loaded, which takes minutes
    pipeline = load_pipeline(path, family, config)
    if lora is not None:
        add_lora(pipeline.unet, lora, "tcd", family)
    return Model(
        name=path.stem,
        unet=pipeline.unet,
        vae=pipeline.vae,
        encode=get_encode(pipeline, family),
        alphas_cumprod=get_alphas_cumprod(pipeline),
        size=SIZES.get(family, 512),
        prediction_type=pipeline.scheduler.config.prediction_type,
        loras={"tcd"} if lora is not None else set(),
    )


def load_pipeline(path: Path, family: str, config: str | None) -> Any:
    """On the GPU where there is one, in half precision there."""
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = StableDiffusionXLPipeline if family == SDXL else StableDiffusionPipeline
    dtype = torch.float32 if device == "cpu" else torch.float16
    extra = {} if family == SDXL else {"safety_checker": None, "requires_safety_checker": False}
    with refuse_without_memory():
        return load_single_file(kind, path, family, config=config, torch_dtype=dtype, **extra).to(device)


def load_single_file(kind: Any, path: Path, family: str, **options: Any) -> Any:
    """Load a file by diffusers, whose errors depend on what is wrong with the file."""
    try:
        return kind.from_single_file(str(path), **options)
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError, SingleFileComponentError) as error:
        if is_out_of_memory(error):
            raise
        reason = first_line(error)
        raise UserError(messages.CANNOT_LOAD_CHECKPOINT, file=path.name, family=family, reason=reason) from error


def get_alphas_cumprod(pipeline: Any) -> torch.Tensor:
    names = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps")
    config = {name: pipeline.scheduler.config[name] for name in names}
    alphas_cumprod: torch.Tensor = DDPMScheduler(**config).alphas_cumprod
    return alphas_cumprod.to(pipeline.device)


def get_encode(pipeline: Any, family: str) -> Any:
    @torch.no_grad()
    def encode(prompts: list[str], negative: str, width: int, height: int) -> tuple[Conditioning, Conditioning]:
        negatives = [negative] * len(prompts)
        if family != SDXL:
            text, without = pipeline.encode_prompt(prompts, pipeline.device, 1, True, negatives)
            return {"encoder_hidden_states": text}, {"encoder_hidden_states": without}
        # as the WebUI and diffusers have it for SDXL, no negative prompt is no text at all
        text, without, pooled, pooled_without = pipeline.encode_prompt(
            prompts, negative_prompt=negatives if negative else None, do_classifier_free_guidance=True
        )
        time_ids = torch.tensor([height, width, 0, 0, height, width], dtype=text.dtype, device=text.device)
        time_ids = time_ids.expand(len(prompts), 6)
        return (
            {"encoder_hidden_states": text, "added_cond_kwargs": {"text_embeds": pooled, "time_ids": time_ids}},
            {
                "encoder_hidden_states": without,
                "added_cond_kwargs": {"text_embeds": pooled_without, "time_ids": time_ids},
            },
        )

    return encode
