"""Single-file checkpoints of SDXL and SD 1.5 as models to generate with, loaded by diffusers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import SingleFileComponentError
from safetensors import SafetensorError

from ...errors import UserError
from ...loras.header import SDXL
from .. import messages
from .configuration import write_configuration
from .download import download
from .errors import first_line, is_out_of_memory, refuse_without_memory
from .files import check_checkpoint, check_config, check_lora
from .generation import PIXELS_PER_LATENT
from .guides import get_image_encoder, use_controlnet, use_ip_adapter
from .lora import TEXT_ENCODERS, add_lora, find_sampler
from .model import Conditioning, LoRA, Model
from .options import Guide, WeightedLoRA

CONFIGURATION_FILES = ["*.json", "*/*.json", "*/*.txt"]


def load_checkpoint(
    path: Path,
    loras: Sequence[WeightedLoRA] = (),
    config: str | None = None,
    controlnet: Guide | None = None,
    ip_adapter: Guide | None = None,
) -> Model:
    """Loads a checkpoint and what is used with it. Raises UserError if a file is unsuitable.

    config: a folder or a repository of the hub with the family's configuration and tokenizers, in diffusers' layout.
    By default it is the built-in one, which SD 2.1 lacks. A repository's is downloaded once.
    An IP-Adapter's image encoder on the hub is downloaded once, too.
    """
    family = check_checkpoint(path)
    check_config(config, family)
    for lora in loras:
        check_lora(lora.file, family)  # before the checkpoint is loaded, which takes minutes
    encoder = None if ip_adapter is None else get_image_encoder(ip_adapter)
    pipeline = load_pipeline(path, family, config)
    model = Model(
        name=path.stem,
        unet=pipeline.unet,
        vae=pipeline.vae,
        encode=get_encode(pipeline, family),
        alphas_cumprod=get_alphas_cumprod(pipeline),
        size=get_trained_size(pipeline.unet, family),
        prediction_type=pipeline.scheduler.config.prediction_type,
        loras=add_loras(pipeline, loras, family),
        adapted=pipeline,
    )
    model.use_lora(None)
    with refuse_without_memory():
        if controlnet is not None:
            use_controlnet(model, controlnet)
        if ip_adapter is not None and encoder is not None:
            use_ip_adapter(model, pipeline, ip_adapter, encoder)
    return model


def get_trained_size(unet: Any, family: str) -> int:
    """Returns the pixels of a training image's side: the configuration's, or the family's if it has none."""
    default = 128 if family == SDXL else 64
    return (unet.config.sample_size or default) * PIXELS_PER_LATENT


def add_loras(pipeline: Any, loras: Sequence[WeightedLoRA], family: str) -> dict[str, LoRA]:
    """Adds LoRAs to the pipeline and returns them by the names of their adapters."""
    encoders = {name: getattr(pipeline, name) for name in TEXT_ENCODERS if hasattr(pipeline, name)}
    added = {}
    for i, lora in enumerate(loras):
        add_lora(pipeline.unet, lora.file, f"adapter{i}", family, encoders)
        added[f"adapter{i}"] = LoRA(lora.file.stem, lora.weight, find_sampler(lora.file))
    return added


def load_pipeline(path: Path, family: str, config: str | None) -> Any:
    """Moves the pipeline to the GPU in half precision, if there is one."""
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = StableDiffusionXLPipeline if family == SDXL else StableDiffusionPipeline
    dtype = torch.float32 if device == "cpu" else torch.float16
    extra = {} if family == SDXL else {"safety_checker": None, "requires_safety_checker": False}
    with refuse_without_memory(), get_configuration(family, config) as folder:
        return load_single_file(kind, path, family, config=str(folder), torch_dtype=dtype, **extra).to(device)


@contextmanager
def get_configuration(family: str, config: str | None) -> Iterator[Path]:
    """Yields a folder with the configuration. Raises UserError if it cannot be downloaded."""
    if config is None:
        with TemporaryDirectory(prefix="tcd-") as folder:
            write_configuration(family, Path(folder))
            yield Path(folder)
    elif Path(config).is_dir():
        yield Path(config)
    else:
        yield download_configuration(config)


def download_configuration(repository: str) -> Path:
    """Returns the folder of a repository's configuration, which is downloaded once. Raises UserError."""
    return download(repository, CONFIGURATION_FILES, messages.CANNOT_DOWNLOAD_CONFIG, repository=repository)


def load_single_file(kind: Any, path: Path, family: str, **options: Any) -> Any:
    """Loads a file by diffusers, whose errors depend on what is wrong with the file."""
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
            text, uncond = pipeline.encode_prompt(prompts, pipeline.device, 1, True, negatives)
            return {"encoder_hidden_states": text}, {"encoder_hidden_states": uncond}
        # as the WebUI and diffusers have it for SDXL, no negative prompt is no text at all
        text, uncond, pooled, pooled_uncond = pipeline.encode_prompt(
            prompts, negative_prompt=negatives if negative else None, do_classifier_free_guidance=True
        )
        time_ids = torch.tensor([height, width, 0, 0, height, width], dtype=text.dtype, device=text.device)
        time_ids = time_ids.expand(len(prompts), 6)
        return (
            {"encoder_hidden_states": text, "added_cond_kwargs": {"text_embeds": pooled, "time_ids": time_ids}},
            {
                "encoder_hidden_states": uncond,
                "added_cond_kwargs": {"text_embeds": pooled_uncond, "time_ids": time_ids},
            },
        )

    return encode
