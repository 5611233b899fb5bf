"""Single-file checkpoints of SDXL and SD 1.5, tiny ones, through load_checkpoint and through diffusers' pipelines."""

import pytest
import torch
from safetensors.torch import save_file

from tcd_sampler.errors import UserError
from tcd_sampler.lab.demo.checkpoint import load_checkpoint
from tcd_sampler.lab.demo.generation import Request, generate
from tcd_sampler.lab.miniature.layout import get_unet_keys, to_sdxl

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


def test_guidance_and_a_negative_prompt_are_diffusers(checkpoint):
    path, config, pipeline = checkpoint
    model = load_checkpoint(path, config=config)
    options = {"width": SIZE, "height": SIZE, "num_inference_steps": 4, "guidance_scale": 3.0, "eta": 0.0}
    for negative in ("", "a tree"):
        generator = torch.Generator().manual_seed(3)
        theirs = pipeline(PROMPT, negative_prompt=negative or None, generator=generator, **options).images[0]
        ours = generate(model, Request(PROMPT, gamma=0.0, guidance=3.0, seed=3, size=SIZE, negative=negative))
        assert max(abs(a - b) for a, b in zip(theirs.tobytes(), ours.tobytes())) <= 2


def test_a_lora_is_for_tcd_alone(checkpoint, tmp_path):
    path, config, pipeline = checkpoint
    names = [key for key in get_unet_keys(list(pipeline.unet.state_dict())) if key.endswith("attn2.to_k.weight")]
    weights = {}
    for name in names:
        kohya = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
        width, context = pipeline.unet.state_dict()[name].shape
        weights |= {f"{kohya}.lora_down.weight": torch.randn(4, context), f"{kohya}.alpha": torch.tensor(4.0)}
        weights[f"{kohya}.lora_up.weight"] = torch.randn(width, 4)
    save_file(weights, tmp_path / "lora.safetensors")
    model = load_checkpoint(path, tmp_path / "lora.safetensors", config)
    assert model.loras == {"tcd": "lora"}
    request = Request(PROMPT, size=SIZE, guidance=1.0)
    with_lora = generate(model, request).tobytes()
    model.use_lora(None)
    assert with_lora != generate(load_checkpoint(path, config=config), request).tobytes()
    assert request.get_guidance(model) == 1
    assert Request(PROMPT).get_guidance(model) == 1
    assert Request(PROMPT).get_guidance(load_checkpoint(path, config=config)) == 7


def test_a_checkpoint_with_a_missing_part_is_refused(checkpoint):
    path, config, pipeline = checkpoint
    tensors = {key: value for key, value in to_sdxl(pipeline.unet, pipeline.vae, []).items() if "decoder" not in key}
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"^model.safetensors (cannot be loaded as a|is not a complete) "):
        load_checkpoint(path, config=config)
