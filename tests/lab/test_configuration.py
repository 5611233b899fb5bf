"""The configurations of SDXL and SD 1.5, written without a network."""

import hashlib
import json

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from tcd_sampler.lab.demo.configuration import write_configuration
from tcd_sampler.loras.header import SD1, SDXL

MILLIONS = {
    SD1: {"unet": 859.52, "vae": 83.65, "text_encoder": 123.06},
    SDXL: {"unet": 2567.46, "vae": 83.65, "text_encoder": 123.06, "text_encoder_2": 694.66},
}
"""Millions of parameters in the published models' parts."""

VOCABULARY = "51b8a58f8c87bc7af902c70cbcdd0287f5baffaa34044e30b8ff8e22c54ec1a0"
"""SHA-256 of vocab.json's content in the repositories, as sorted JSON."""


@pytest.fixture(scope="module", params=[SD1, SDXL])
def written(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    write_configuration(request.param, folder)
    return request.param, folder


def build(folder, name):
    """Returns a part of the model with weights that take no memory."""
    with torch.device("meta"):
        if name.startswith("text_encoder"):
            kind = CLIPTextModelWithProjection if name.endswith("2") else CLIPTextModel
            return kind(CLIPTextConfig.from_pretrained(folder, subfolder=name))
        kind = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[name]
        return kind.from_config(kind.load_config(folder, subfolder=name))


def test_the_parts_have_the_published_models_sizes(written):
    family, folder = written
    parts = {name: build(folder, name) for name in MILLIONS[family]}
    sizes = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in parts.items()}
    assert sizes == pytest.approx(MILLIONS[family], abs=0.01)


def test_the_tokenizers_match_clip(written):
    _, folder = written
    for path in folder.glob("tokenizer*"):
        vocabulary = json.loads((path / "vocab.json").read_text(encoding="utf-8"))
        assert hashlib.sha256(json.dumps(vocabulary, sort_keys=True).encode()).hexdigest() == VOCABULARY
        tokenizer = CLIPTokenizer.from_pretrained(path)
        tokens = tokenizer("a Photo of café №5", padding="max_length", truncation=True).input_ids
        padding = 0 if path.name == "tokenizer_2" else 49407
        assert tokens[:5] == [49406, 320, 1125, 539, 15304]
        assert (len(tokens), tokens[-1]) == (77, padding)


def test_values_that_the_single_file_loader_needs_are_written(written):
    _, folder = written
    for name, keys in {
        "unet": {"layers_per_block", "block_out_channels", "in_channels", "class_embed_type", "addition_embed_type"},
        "vae": {"layers_per_block", "block_out_channels", "scaling_factor", "shift_factor"},
    }.items():
        assert keys <= json.loads((folder / name / "config.json").read_text(encoding="utf-8")).keys()
