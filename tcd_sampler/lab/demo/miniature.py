"""The miniature as a model to generate with."""

from pathlib import Path

import transformers
from diffusers import DDPMScheduler
from safetensors import SafetensorError
from safetensors.torch import load_file

from ...errors import UserError
from .. import messages
from ..miniature import CHECKPOINT, CLIP, LORAS
from ..miniature.architecture import BETAS, TextEncoders, build_unet, build_vae, get_size_conditioning, tokenize
from ..miniature.drawing import SIZE
from ..miniature.layout import from_sdxl
from ..miniature.prompt import read_prompt
from .errors import first_line
from .lora import add_lora
from .model import Conditioning, LoRA, Model

GUIDANCE = 3.0


def load_miniature(checkpoint: Path | None = None, loras: dict[str, Path] | None = None) -> Model:
    """Loads the bundled miniature, or another of its kind. Raises UserError if its file is missing or incomplete."""
    checkpoint, loras = checkpoint or CHECKPOINT, LORAS if loras is None else loras
    tokenizer = transformers.CLIPTokenizer.from_pretrained(CLIP)
    unet, vae, texts = build_unet(), build_vae(), TextEncoders(tokenizer)
    try:
        from_sdxl(load_file(checkpoint), unet, vae, list(texts.models))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise UserError(messages.NOT_THE_MINIATURE, file=checkpoint, reason=first_line(error)) from error
    for part in (unet, vae, texts):
        part.eval().requires_grad_(False)
    for name, path in loras.items():
        add_lora(unet, path, name)

    def encode(prompts: list[str], negative: str, width: int, height: int) -> tuple[Conditioning, Conditioning]:
        text = texts(tokenize(tokenizer, prompts))
        # as SDXL has it, no negative prompt is no text at all, which is not the empty text
        uncond = texts(tokenize(tokenizer, [negative] * len(prompts))) if negative else 0 * text
        size = {"added_cond_kwargs": get_size_conditioning(len(prompts), SIZE)}
        return {"encoder_hidden_states": text, **size}, {"encoder_hidden_states": uncond, **size}

    return Model(
        name=checkpoint.stem,
        unet=unet,
        vae=vae,
        encode=encode,
        alphas_cumprod=DDPMScheduler(**BETAS).alphas_cumprod,
        size=SIZE,
        guidance=GUIDANCE,
        loras={name: LoRA(path.stem, sampler=name) for name, path in loras.items()},
        adapted=unet,
        threads=1,  # its tensors are so small that several threads mostly wait for each other
        read_prompt=read_prompt,
    )
