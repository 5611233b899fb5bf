"""A checkpoint's family is read from its header."""

import numpy
import pytest
from safetensors.numpy import save_file

from tcd_sampler.loras.checkpoint import read_family

ATTENTION = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(
    ("names", "width", "family"),
    [
        ([], 768, "SD 1.5"),
        ([], 1024, "SD 2.1"),
        ([], 2048, "SDXL"),
        (["conditioner.embedders.1.model.ln_final.weight"], 96, "SDXL"),
        (["conditioner.embedders.0.model.ln_final.weight"], 1280, None),
    ],
    ids=["SD 1.5", "SD 2.1", "a UNet of SDXL's alone", "a small SDXL", "SDXL's refiner"],
)
def test_families(tmp_path, names, width, family):
    tensors = {ATTENTION: numpy.zeros((4, width), numpy.float16), **{name: numpy.zeros(4) for name in names}}
    save_file({**tensors, ATTENTION.replace("attn2", "attn1"): numpy.zeros((4, 320))}, tmp_path / "a.safetensors")
    assert read_family(tmp_path / "a.safetensors") == family


def test_files_of_unknown_family(tmp_path):
    save_file({"a": numpy.zeros(4)}, tmp_path / "a.safetensors")
    (tmp_path / "a.ckpt").write_bytes(b"\x80\x02pickle")
    for name in ("a.safetensors", "a.ckpt", "none"):
        assert read_family(tmp_path / name) is None
