"""LoRA headers: family, format and rank, and faults of files."""

import json
import math
import struct
import sys

import pytest
import safetensors.torch
import torch

from tcd_sampler import messages
from tcd_sampler.loras.header import (
    DIFFUSERS,
    KOHYA,
    OTHER,
    PEFT,
    PROCESSORS,
    SD1,
    SD2,
    SDXL,
    find_fault,
    read_lora,
)

from ..support.layers import BLOCK, TEXT, find_layers, name_kohya
from ..support.messages import refused


@pytest.fixture
def read(path):
    """Reads a file with tensors of these shapes, or with these names only."""

    def read(shapes, metadata=None):
        if not isinstance(shapes, dict):
            shapes = dict.fromkeys(shapes, (1, 1))
        write_sparse(path, shapes, metadata)
        return read_lora(path)

    return read


def put_header(path, header, length=None):
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header)


def write_sparse(path, shapes, metadata=None):
    """Writes a safetensors file with a header and, for the data, a sparse hole."""
    header, end = {"__metadata__": metadata} if metadata else {}, 0
    for name, shape in sorted(shapes.items()):
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": (start, end)}
    put_header(path, json.dumps(header).encode())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + end)


@pytest.mark.parametrize(("width", "family"), [(768, SD1), (1024, SD2), (2048, SDXL), (1280, None), (320, None)])
@pytest.mark.parametrize(
    ("down", "up", "form"),
    [
        (
            "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_v.lora_down.weight",
            "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_v.lora_up.weight",
            KOHYA,
        ),
        (
            "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight",
            "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_up.weight",
            KOHYA,
        ),
        (
            "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k.hada_w1_b",
            "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k.hada_w1_a",
            KOHYA,
        ),
        (f"unet.{BLOCK}.attn2.to_k.lora_A.weight", f"unet.{BLOCK}.attn2.to_k.lora_B.weight", PEFT),
        (
            f"base_model.model.unet.{BLOCK}.attn2.to_k.lora_A.default.weight",
            f"base_model.model.unet.{BLOCK}.attn2.to_k.lora_B.default.weight",
            PEFT,
        ),
        (f"{BLOCK}.attn2.to_v.lora_A.weight", f"{BLOCK}.attn2.to_v.lora_B.weight", PEFT),
        (
            f"unet.{BLOCK}.attn2.processor.to_k_lora.down.weight",
            f"unet.{BLOCK}.attn2.processor.to_k_lora.up.weight",
            PROCESSORS,
        ),
        (
            f"{BLOCK}.attn2.processor.to_k_lora.down.weight",
            f"{BLOCK}.attn2.processor.to_k_lora.up.weight",
            PROCESSORS,
        ),
        (f"unet.{BLOCK}.attn2.to_k.lora.down.weight", f"unet.{BLOCK}.attn2.to_k.lora.up.weight", DIFFUSERS),
        (
            "lycoris_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight",
            "lycoris_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight",
            OTHER,
        ),
    ],
)
def test_the_cross_attention_width_identifies_the_family(read, width, family, down, up, form):
    self_attention = down.replace("attn2", "attn1")
    lora = read({self_attention: (4, 640), down: (4, width), up: (640, 4)})
    assert (lora.family, lora.format, lora.rank, lora.tensors) == (family, form, 4, 3)


@pytest.mark.parametrize("family", [SD1, SD2, SDXL])
@pytest.mark.parametrize("left_out", ["nothing", "attn2", "attn", "transformer", "resnets"])
def test_layers_identify_the_family(read, family, left_out):
    layers = {name: weight for name, weight in find_layers(family).items() if left_out not in name}
    lora = read(name_kohya(layers, rank=1))
    # SDXL's blocks without transformers equal SD's
    assert lora.family == (None if (left_out, family) == ("transformer", SDXL) else family)


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        # blocks that only SD 1.5 and 2.1 have, and projections that differ between the two
        ({"lora_unet_input_blocks_1_1_proj_in.lora_down.weight": (4, 320, 1, 1)}, None),
        ({"lora_unet_input_blocks_10_0_emb_layers_1.lora_down.weight": (4, 1280)}, None),
        (
            {
                "lora_unet_output_blocks_11_1_proj_out.lora_down.weight": (4, 320, 1, 1),
                "lora_unet_output_blocks_11_1_proj_out.lora_up.weight": (320, 4, 1, 1),
            },
            SD1,
        ),
        (
            {
                "lora_unet_input_blocks_1_1_proj_in.lora_down.weight": (4, 320, 1, 1),
                "lora_unet_input_blocks_9_0_op.lora_down.weight": (4, 1280, 3, 3),
            },
            SD1,
        ),
        ({"lora_unet_output_blocks_10_1_proj_in.lora_down.weight": (4, 320)}, SD2),
        ({"unet.up_blocks.3.attentions.0.proj_in.lora_A.weight": (4, 320, 1, 1)}, SD1),
        ({"unet.up_blocks.3.attentions.0.proj_in.lora_A.weight": (4, 320)}, SD2),
        ({"unet.up_blocks.3.resnets.0.conv1.lora_A.weight": (4, 640, 3, 3)}, None),
        # layers that only SDXL has
        ({"lora_unet_middle_block_1_transformer_blocks_9_ff_net_2.lora_down.weight": (4, 5120)}, SDXL),
        ({f"unet.{BLOCK[:-1]}1.attn1.to_q.lora_A.weight": (4, 640)}, SDXL),
        # a LoKr stores a factor of the cross-attention's width: 2048 = 2 x 1024
        (
            {
                "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w1": (2, 2),
                "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w2_b": (4, 1024),
                "lora_unet_mid_block_attentions_0_transformer_blocks_9_attn2_to_k.lokr_w2_b": (4, 1024),
            },
            SDXL,
        ),
        # text encoders only
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 1280)}, SDXL),
        ({"text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": (4, 1280)}, SDXL),
        ({"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 768)}, None),
        ({"text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": (4, 768)}, None),
        # other models
        ({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (4, 3072)}, None),
        ({"transformer.single_transformer_blocks.1.attn.to_q.lora_A.weight": (4, 3072)}, None),
        ({"transformer.transformer_blocks.1.attn.to_q.lora_A.weight": (4, 3072)}, None),
        ({"lora_unet_joint_blocks_1_x_block_attn_qkv.lora_down.weight": (4, 1536), "lora_te2_a.alpha": ()}, None),
        ({"transformer.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 2048)}, None),
        ({"diffusion_model.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 2048)}, None),
        # files that are no LoRA, and shapes with too few dimensions
        ({"emb_params": (8, 768)}, None),
        ({}, None),
        ({f"unet.{BLOCK}.attn2.to_k.lora_A.weight": (768,), "unet.conv_in.lora_A.weight": ()}, None),
        ({"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": ()}, None),
    ],
)
def test_the_family_from_other_layers(read, shapes, family):
    assert read(shapes).family == family


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (["lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha"], KOHYA),
        ([f"text_encoder.{TEXT}.q_proj.lora_linear_layer.down.weight"], DIFFUSERS),
        ([f"text_encoder_2.{TEXT}.q_proj.lora_A.weight"], PEFT),
        (["conv_in.weight", f"unet.{BLOCK}.attn1.to_q.lora_B.weight"], PEFT),
        (["model.diffusion_model.input_blocks.0.0.weight"], OTHER),
        ([], OTHER),
    ],
)
def test_formats(read, names, form):
    assert read(names).format == form


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", True),
        ("lora_te2_text_projection.lora_down.weight", True),
        (f"text_encoder.{TEXT}.q_proj.lora_A.weight", True),
        (f"text_encoder_2.{TEXT}.to_q_lora.down.weight", True),
        ("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", False),
    ],
)
def test_text_encoders(read, name, has):
    assert read(["unet.conv_in.lora_A.weight", name]).has_text_encoder is has


def test_a_file_without_down_matrices_has_no_rank(read):
    assert read(["lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"]).rank is None


def test_a_files_name_size_and_metadata(read, path):
    lora = read([], {"ss_output_name": "mine"})
    assert (lora.name, lora.size, lora.metadata) == ("my style", path.stat().st_size, {"ss_output_name": "mine"})
    assert read([]).metadata == {}


def make_thin(family, rank=64):
    """Returns the published layout with thin tensors. It is recognized by the tensors' number and rank."""
    return {
        name: shape and ((rank, 1) if "down" in name else (1, rank))
        for name, shape in name_kohya(find_layers(family)).items()
    }


@pytest.mark.parametrize("family", [SD1, SD2, SDXL])
def test_distillation_loras_are_recognized(read, family):
    thin = make_thin(family)
    assert read(thin).looks_distilled
    assert not read(make_thin(family, rank=32)).looks_distilled
    assert not read({**thin, "lora_unet_conv_in.alpha": ()}).looks_distilled
    text = {name.replace("lora_unet_mid", "lora_te_mid"): shape for name, shape in thin.items()}
    assert len(text) == len(thin)
    assert not read(text).looks_distilled


BROKEN = {
    "missing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "shorter than a length": lambda path: path.write_bytes(b"1234"),
    "a header cut off": lambda path: put_header(path, b'{"a"', 100),
    "a huge header": lambda path: put_header(path, b"{}", 1 << 40),
    "a header that is no JSON": lambda path: put_header(path, b"nothing."),
    "a header that is a list": lambda path: put_header(path, b"[1, 2]  "),
    "data cut off": lambda path: put_header(path, b'{"a":{"dtype":"F16","shape":[9],"data_offsets":[0,18]}}'),
    "too many data": lambda path: put_header(path, b'{"a":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}' + b"{}"),
    "a pickle": lambda path: torch.save({"a": torch.zeros(99)}, path),
    "an old pickle": lambda path: torch.save({"a": torch.zeros(9)}, path, _use_new_zipfile_serialization=False),
    "a page": lambda path: path.write_text("<!DOCTYPE html><html><title>401</title></html>", encoding="utf-8"),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused(path, make):
    make(path)
    with refused(messages.NOT_SAFETENSORS, file="my style.safetensors") as error:
        read_lora(path)
    assert str(error.value.message.values["reason"])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise")
def test_only_the_header_is_read(path):
    """Reading a sparse file of 4 GiB takes less than 1 GiB of memory."""
    import resource

    shapes = {
        f"unet.{BLOCK}.attn2.to_k.lora_A.weight": [64, 768],
        f"unet.{BLOCK}.attn2.to_k.lora_B.weight": [1 << 25, 64],
    }
    write_sparse(path, shapes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lora = read_lora(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert lora.size > 4 << 30
    assert (lora.family, lora.rank, lora.tensors) == (SD1, 64, 2)
    assert after - before < 1 << 20  # KiB


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"ss_base_model_version": "sdxl_base_v1-0"}, SDXL),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, SDXL),
        ({"ss_base_model_version": "sd_v2_512"}, SD2),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, SD2),
        ({"ss_base_model_version": "sd_v1"}, SD1),
        ({"ss_base_model_version": "flux1", "modelspec.architecture": "flux-1-dev/lora"}, None),
        ({}, None),
    ],
)
def test_metadata_declare_the_family(read, metadata, family):
    shapes = {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 192)}
    assert read(shapes, metadata).family == family
    shapes = {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 1024)}
    assert read(shapes, metadata).family == SD2


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", messages.EMPTY_FILE),
        (b"\n \n", messages.EMPTY_FILE),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", messages.WEB_PAGE),
        (b"\n<html>", messages.WEB_PAGE),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 393854624\n",
            messages.LFS_POINTER,
        ),
        (b"PK\x03\x04" + bytes(100), messages.PICKLE_FILE),
        (b"\x80\x02}q\x00." + bytes(100), messages.PICKLE_FILE),
        (b"Not found", messages.DAMAGED_FILE),
        (bytes(1000), messages.DAMAGED_FILE),
    ],
)
def test_find_fault_names_the_fault(tmp_path, content, fault):
    file = tmp_path / "TCD.safetensors"
    file.write_bytes(content)
    assert find_fault(file) == fault
    file = file.rename(tmp_path / "TCD.pt")
    assert find_fault(file) == (
        fault if fault in (messages.EMPTY_FILE, messages.WEB_PAGE, messages.LFS_POINTER) else None
    )


def test_a_file_that_is_gone(tmp_path):
    link = tmp_path / "TCD.safetensors"
    assert find_fault(link) == messages.MISSING_FILE
    link.symlink_to(tmp_path / "elsewhere")
    assert find_fault(link) == messages.MISSING_FILE


def test_a_file_that_is_cut_off(tmp_path):
    file = tmp_path / "TCD.safetensors"
    safetensors.torch.save_file({"lora_unet_a.lora_down.weight": torch.zeros(4, 64)}, file)
    assert find_fault(file) is None
    file.write_bytes(file.read_bytes()[:-1])
    assert find_fault(file) == messages.DAMAGED_FILE


@pytest.mark.parametrize("length", [640, 60, 0x4B50])
def test_a_valid_file_may_begin_like_another_format(tmp_path, length):
    """The first bytes are the header's length. 640 looks like a pickle, 60 like a web page, 0x4B50 like a zip file."""
    file = tmp_path / "style.safetensors"
    header = b'{"__metadata__":{}}'.ljust(length)
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    assert find_fault(file) is None
