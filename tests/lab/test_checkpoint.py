"""Compares tiny single-file checkpoints of SDXL and SD 1.5 in load_checkpoint and in diffusers' pipelines."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from tcd_sampler.errors import UserError
from tcd_sampler.lab.demo.checkpoint import get_trained_size, load_checkpoint
from tcd_sampler.lab.demo.generation import Request, generate
from tcd_sampler.lab.miniature.layout import to_sdxl
from tcd_sampler.loras.header import SD1, SD2, SDXL

pytestmark = pytest.mark.slow

PROMPT = "a red ball in the middle"
SIZE = 64


def test_it_matches_diffusers_pipeline(checkpoint):
    path, config, pipeline = checkpoint
    model = load_checkpoint(path, config=config)
    theirs = pipeline(
        PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=4,
        guidance_scale=0,
        eta=0.0,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    ours = generate(model, Request(PROMPT, gamma=0.0, guidance=1.0, seed=3, size=SIZE))
    assert theirs.size == ours.size == (SIZE, SIZE)
    assert max(abs(a - b) for a, b in zip(theirs.tobytes(), ours.tobytes())) <= 2


def test_guidance_and_a_negative_prompt_match_diffusers(checkpoint):
    path, config, pipeline = checkpoint
    model = load_checkpoint(path, config=config)
    options = {"width": SIZE, "height": SIZE, "num_inference_steps": 4, "guidance_scale": 3.0, "eta": 0.0}
    for negative in ("", "a tree"):
        generator = torch.Generator().manual_seed(3)
        theirs = pipeline(PROMPT, negative_prompt=negative or None, generator=generator, **options).images[0]
        ours = generate(model, Request(PROMPT, gamma=0.0, guidance=3.0, seed=3, size=SIZE, negative=negative))
        assert max(abs(a - b) for a, b in zip(theirs.tobytes(), ours.tobytes())) <= 2


def test_a_checkpoint_with_a_missing_part_is_refused(checkpoint):
    path, config, pipeline = checkpoint
    tensors = {key: value for key, value in to_sdxl(pipeline.unet, pipeline.vae, []).items() if "decoder" not in key}
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"^model.safetensors (cannot be loaded as a|is not a complete) "):
        load_checkpoint(path, config=config)


@pytest.mark.parametrize(
    ("sample_size", "family", "size"), [(96, SD2, 768), (128, SDXL, 1024), (None, SDXL, 1024), (None, SD1, 512)]
)
def test_the_size_comes_from_the_configuration(sample_size, family, size):
    unet = SimpleNamespace(config=SimpleNamespace(sample_size=sample_size))
    assert get_trained_size(unet, family) == size
