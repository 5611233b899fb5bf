"""The latents and tokens of the UNet's training scenes, computed once."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from ..miniature.architecture import SCALE_FACTOR, tokenize
from ..miniature.scenes import choose_scene
from ..precision import fast_precision
from .vae import draw_batch

BATCH = 32


@torch.no_grad()
def load_latents(path: Path, vae: Any, tokenizer: Any, count: int) -> dict[str, torch.Tensor]:
    """Returns the first scenes' latents (count, 4, 16, 16), scaled for the UNet, and tokens (count, 77).

    Computes them and writes them to path if the file does not exist.
    """
    if not path.exists():
        batches = []
        for first in tqdm(range(0, count, BATCH), desc="latents"):
            images = draw_batch(first, min(BATCH, count - first))
            with fast_precision():
                moments = vae.quant_conv(vae.encoder(images))
            batches.append((moments.chunk(2, 1)[0] * SCALE_FACTOR).half().contiguous())
        captions = [choose_scene(seed).caption for seed in range(count)]
        tensors = {"latents": torch.cat(batches), "tokens": tokenize(tokenizer, captions).short()}
        part = path.with_suffix(".part")
        save_file(tensors, part)
        part.replace(path)
    return load_file(path)
