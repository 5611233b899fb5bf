"""What a LoRA's header tells, and the copy in kohya's format; diffusers' own converters say what is right."""

import json
import re
import struct
import sys

import pytest
import safetensors.torch
import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin
from diffusers.utils import convert_state_dict_to_kohya, convert_state_dict_to_peft, convert_unet_state_dict_to_peft

from tcd_sampler.lora import DIFFUSERS, KOHYA, OTHER, PEFT, SD1, SD2, SDXL, convert_to_kohya, read_lora

from .layers import find_layers, name_kohya

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"
TEXT = "text_model.encoder.layers.0.self_attn"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my style.safetensors"


@pytest.fixture
def read(path):
    """Reads a file of such shapes, or of such names alone."""

    def read(shapes, metadata=None):
        if not isinstance(shapes, dict):
            shapes = dict.fromkeys(shapes, (1, 1))
        tensors = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}
        safetensors.torch.save_file(tensors, path, metadata)
        return read_lora(path)

    return read


@pytest.fixture
def convert(path, tmp_path):
    """A file of such tensors, converted; and its metadata."""

    def convert(tensors, metadata=None):
        safetensors.torch.save_file(tensors, path, metadata)
        target = tmp_path / "converted.safetensors"
        convert_to_kohya(path, target)
        with safetensors.safe_open(target, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118

    return convert


def make_tensors(names, dtype=torch.float32):
    """Downs of rank 2 and ups, each with numbers of its own."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(*((2, 3) if re.search("lora_A|down", name) else (3, 2)), generator=generator).to(dtype)
        for name in names
    }


def make_pairs(*modules, sides=("lora_A", "lora_B")):
    return make_tensors(f"{module}.{side}.weight" for module in modules for side in sides)


def assert_same(tensors, expected):
    assert set(tensors) == set(expected)
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype or name.endswith(".alpha"), name
        assert torch.equal(tensors[name], tensor), name


# Reading


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
            DIFFUSERS,
        ),
        (
            f"{BLOCK}.attn2.processor.to_k_lora.down.weight",
            f"{BLOCK}.attn2.processor.to_k_lora.up.weight",
            DIFFUSERS,
        ),
        (f"unet.{BLOCK}.attn2.to_k.lora.down.weight", f"unet.{BLOCK}.attn2.to_k.lora.up.weight", DIFFUSERS),
        (
            "lycoris_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight",
            "lycoris_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight",
            OTHER,
        ),
    ],
)
def test_the_cross_attentions_width_tells_the_family(read, width, family, down, up, form):
    self_attention = down.replace("attn2", "attn1")
    lora = read({self_attention: (4, 640), down: (4, width), up: (640, 4)})
    assert (lora.family, lora.format, lora.rank, lora.tensors) == (family, form, 4, 3)


@pytest.mark.parametrize("family", [SD1, SD2, SDXL])
@pytest.mark.parametrize("left_out", ["nothing", "attn2", "attn", "transformer", "resnets"])
def test_the_layers_tell_the_family(read, family, left_out):
    layers = {name: weight for name, weight in find_layers(family).items() if left_out not in name}
    lora = read(name_kohya(layers, rank=1))
    # SDXL's blocks without transformers are SD's
    assert lora.family == (None if (left_out, family) == ("transformer", SDXL) else family)


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        # blocks that only SD 1.5 and 2.1 have, and these two's projections
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
        # a LoKr's cross attention has a part of the width: 2048 = 2 x 1024
        (
            {
                "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w1": (2, 2),
                "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w2_b": (4, 1024),
                "lora_unet_mid_block_attentions_0_transformer_blocks_9_attn2_to_k.lokr_w2_b": (4, 1024),
            },
            SDXL,
        ),
        # text encoders alone
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
        # no LoRA, and shapes that are none
        ({"emb_params": (8, 768)}, None),
        ({}, None),
        ({f"unet.{BLOCK}.attn2.to_k.lora_A.weight": (768,), "unet.conv_in.lora_A.weight": ()}, None),
        ({"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": ()}, None),
    ],
)
def test_the_family_by_other_names(read, shapes, family):
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


def test_a_file_without_downs_has_no_rank(read):
    assert read(["lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"]).rank is None


def test_a_files_name_size_and_metadata(read, path):
    lora = read([], {"ss_output_name": "mine"})
    assert (lora.name, lora.size, lora.metadata) == ("my style", path.stat().st_size, {"ss_output_name": "mine"})
    assert read([]).metadata == {}


def make_thin(family, rank=64):
    """The published layout, with tensors of one row: it is told by their number and rank."""
    return {
        name: shape and ((rank, 1) if "down" in name else (1, rank))
        for name, shape in name_kohya(find_layers(family)).items()
    }


@pytest.mark.parametrize("family", [SD1, SD2, SDXL])
def test_what_looks_distilled(read, family):
    thin = make_thin(family)
    assert read(thin).looks_distilled
    assert not read(make_thin(family, rank=32)).looks_distilled
    assert not read({**thin, "lora_unet_conv_in.alpha": ()}).looks_distilled
    text = {name.replace("lora_unet_mid", "lora_te_mid"): shape for name, shape in thin.items()}
    assert len(text) == len(thin)
    assert not read(text).looks_distilled


def put_header(path, header, length=None):
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header)


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
    "a page": lambda path: path.write_text("<!DOCTYPE html><html><title>401</title></html>"),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("use", [read_lora, lambda path: convert_to_kohya(path, path.with_name("new"))])
def test_a_broken_file_is_refused_in_one_sentence(path, make, use):
    make(path)
    with pytest.raises(ValueError) as error:
        use(path)
    assert re.fullmatch(r"my style\.safetensors cannot be read as a safetensors file \(.+\)\.", str(error.value))
    assert not path.with_name("new").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise")
def test_only_the_header_is_read(path):
    """Of a sparse file of 4 GiB."""
    import resource

    shapes = {
        f"unet.{BLOCK}.attn2.to_k.lora_A.weight": [64, 768],
        f"unet.{BLOCK}.attn2.to_k.lora_B.weight": [1 << 25, 64],
    }
    header, end = {}, 0
    for name, (rows, columns) in shapes.items():
        start, end = end, end + 2 * rows * columns
        header[name] = {"dtype": "F16", "shape": (rows, columns), "data_offsets": (start, end)}
    put_header(path, json.dumps(header).encode())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + end)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lora = read_lora(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert lora.size > 4 << 30
    assert (lora.family, lora.rank, lora.tensors) == (SD1, 64, 2)
    assert after - before < 1 << 20  # KiB


# Converting


@pytest.mark.parametrize("family", [SD1, SD2, SDXL])
def test_peft_becomes_what_diffusers_makes_of_it(convert, family):
    peft = make_pairs(*(f"unet.{name}" for name in find_layers(family)))
    converted, _ = convert(peft)
    assert_same(converted, convert_state_dict_to_kohya(peft))
    assert set(converted) == set(name_kohya(find_layers(family)))


@pytest.mark.parametrize("family", [SD1, SDXL])
def test_diffusers_finds_the_same_lora_in_the_copy(convert, family):
    peft = make_pairs(*(f"unet.{name}" for name in find_layers(family)))
    converted, _ = convert(peft, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8})})
    loaded, alphas = StableDiffusionXLLoraLoaderMixin.lora_state_dict(converted)
    assert_same(convert_unet_state_dict_to_peft(loaded), peft)
    assert len(alphas) == len(find_layers(family))
    assert set(alphas.values()) == {8}


def test_old_diffusers_becomes_what_peft_does(convert):
    """The attention layers alone, as diffusers wrote them before it had PEFT."""
    names = [name for name in find_layers(SDXL) if ".to_" in name]
    old = {name: re.sub(r"\.to_(\w+?)(\.0)?$", r".processor.to_\1_lora", name) for name in names}
    tensors = make_pairs(*(f"unet.{name}" for name in old.values()), sides=("down", "up"))
    converted, _ = convert(tensors)
    expected = {
        f"unet.{name}.{peft}.weight": tensors[f"unet.{old[name]}.{side}.weight"]
        for name in names
        for peft, side in (("lora_A", "down"), ("lora_B", "up"))
    }
    assert len(expected) == 2 * 560
    assert_same(converted, convert_state_dict_to_kohya(expected))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (
            "unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.lora",
            "mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
        ),
        (
            "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.lora",
            "mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0",
        ),
        (
            "mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out_lora",
            "mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0",
        ),
        ("mid_block.resnets.0.conv1.lora", "mid_block_resnets_0_conv1"),
        ("unet.conv_in.lora", "conv_in"),
        ("unet.time_embedding.linear_1.lora", "time_embedding_linear_1"),
        ("unet.add_embedding.linear_2.lora", "add_embedding_linear_2"),
    ],
)
def test_other_old_names(convert, module, name):
    tensors = make_pairs(module, sides=("down", "up"))
    down, up = tensors.values()
    expected = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(2)}
    assert_same(convert(tensors)[0], {f"lora_unet_{name}.{rest}": tensor for rest, tensor in expected.items()})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("base_model.model.unet.", ""),
        ("base_model.model.", ""),
        ("unet._orig_mod.", ""),
        ("base_model.model.unet._orig_mod.", ".default"),
        ("unet.", ".default"),
        ("", ""),
    ],
)
def test_what_peft_and_torch_put_around_a_name(convert, before, after):
    tensors = make_pairs(f"{before}{BLOCK}.attn1.to_q", sides=(f"lora_A{after}", f"lora_B{after}"))
    converted, _ = convert(tensors)
    down, up = tensors.values()
    assert_same(converted, convert_state_dict_to_kohya(dict(zip(make_pairs(f"unet.{BLOCK}.attn1.to_q"), (down, up)))))


TEXT_LAYERS = [f"{TEXT}.{side}_proj" for side in ("q", "k", "v", "out")] + ["text_model.encoder.layers.11.mlp.fc1"]


def test_sdxls_text_encoders(convert):
    """diffusers calls the first lora_te1 in any model; so do kohya's scripts in SDXL alone."""
    modules = [f"{part}.{name}" for part in ("text_encoder", "text_encoder_2") for name in TEXT_LAYERS]
    peft = make_pairs(f"unet.{BLOCK}.attn1.to_q", *modules)
    assert_same(convert(peft)[0], convert_state_dict_to_kohya(peft))


def test_sds_text_encoder(convert):
    peft = make_pairs(*(f"text_encoder.{name}" for name in TEXT_LAYERS))
    converted, _ = convert(peft)
    expected = convert_state_dict_to_kohya(peft)
    assert_same(converted, {name.replace("lora_te1_", "lora_te_"): tensor for name, tensor in expected.items()})
    loaded, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(converted)
    assert len(loaded) == 2 * len(alphas) == 2 * len(TEXT_LAYERS)


@pytest.mark.parametrize("style", ["lora_linear_layer", "to_lora"])
def test_old_text_encoders(convert, style):
    names = TEXT_LAYERS if style == "lora_linear_layer" else TEXT_LAYERS[:4]
    old = [
        f"text_encoder.{name}.lora_linear_layer"
        if style == "lora_linear_layer"
        else "text_encoder." + re.sub(r"(\w+)_proj$", r"to_\1_lora", name)
        for name in names
    ]
    tensors = make_pairs(*old, sides=("down", "up"))
    converted, _ = convert(tensors)
    expected = convert_state_dict_to_kohya(convert_state_dict_to_peft(tensors))
    assert_same(converted, {name.replace("lora_te1_", "lora_te_"): tensor for name, tensor in expected.items()})


def get_alphas(converted):
    return {name: float(tensor) for name, tensor in converted.items() if name.endswith(".alpha")}


IN, OUT = "lora_unet_mid_block_attentions_0_proj_in.alpha", "lora_unet_mid_block_attentions_0_proj_out.alpha"


@pytest.mark.parametrize(
    ("config", "alphas"),
    [
        (None, [2, 2]),
        ({}, [2, 2]),
        ({"lora_alpha": 8}, [8, 8]),
        ({"lora_alpha": 8, "alpha_pattern": None}, [8, 8]),
        ({"lora_alpha": 8, "alpha_pattern": {"proj_out": 16}}, [8, 16]),
        ({"lora_alpha": 8, "alpha_pattern": {"mid_block.attentions.0.proj_out": 16, "proj_.*": 4}}, [4, 16]),
        ({"lora_alpha": 8, "alpha_pattern": {"roj_out": 16, "^attentions.0.proj_in": 4}}, [8, 8]),
        ({"lora_alpha": 8, "use_rslora": True}, [8 * 2**0.5, 8 * 2**0.5]),
        ({"r": 2, "alpha_pattern": {}, "use_rslora": False}, [2, 2]),
    ],
)
@pytest.mark.parametrize("part", ["unet.", ""])
def test_alphas_from_diffusers_notes(convert, config, alphas, part):
    modules = [f"{part}mid_block.attentions.0.{name}" for name in ("proj_in", "proj_out")]
    notes = config and {f"{part}{key}": value for key, value in config.items()} | {"text_encoder.lora_alpha": 32}
    converted, metadata = convert(make_pairs(*modules), notes and {"lora_adapter_metadata": json.dumps(notes)})
    assert get_alphas(converted) == pytest.approx(dict(zip([IN, OUT], alphas)))
    assert metadata == {"format": "pt"}  # diffusers refuses a file with these notes and alphas both


@pytest.mark.parametrize("before", ["unet.", ""])
@pytest.mark.parametrize("after", ["", ".lora", "_lora"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])  # before the other tensors in the file, or among them
def test_alphas_in_the_file_are_kept(convert, before, after, dtype):
    tensors = make_pairs(f"{before}mid_block.attentions.0.proj_in", f"{before}mid_block.attentions.0.proj_out")
    tensors[f"{before}mid_block.attentions.0.proj_in{after}.alpha"] = torch.tensor(0.5, dtype=dtype)
    notes = {"lora_adapter_metadata": json.dumps({f"{before}lora_alpha": 8})}
    converted, _ = convert(tensors, notes)
    assert get_alphas(converted) == {IN: 0.5, OUT: 8}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_numbers_stay_as_they_are(convert, dtype):
    tensors = make_tensors([f"unet.{BLOCK}.attn1.to_q.lora_A.weight", f"unet.{BLOCK}.attn1.to_q.lora_B.weight"], dtype)
    assert_same(convert(tensors)[0], convert_state_dict_to_kohya(tensors))


def test_metadata_are_kept(convert):
    _, metadata = convert(make_pairs(f"unet.{BLOCK}.attn1.to_q"), {"modelspec.title": "mine", "format": "np"})
    assert metadata == {"modelspec.title": "mine", "format": "pt"}


@pytest.mark.parametrize(
    "name",
    [
        f"unet.{BLOCK}.attn1.to_q.lora_magnitude_vector",
        f"unet.{BLOCK}.attn1.to_q.lora_A.bias",
        f"unet.{BLOCK}.attn1.to_q.lora_A.other.weight",
        f"unet.{BLOCK}.norm1.weight",
        "transformer.transformer_blocks.0.attn.to_q.lora_A.weight",
        "text_encoder_3.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight",
        "text_encoder.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight",
        "text_model.encoder.layers.0.mlp.fc1.lora_A.weight",
        "unet.text_model.lora_A.weight",
        "emb_params",
    ],
)
def test_a_tensor_without_a_place_is_named(convert, path, name):
    with pytest.raises(ValueError) as error:
        convert({**make_pairs(f"unet.{BLOCK}.attn1.to_q"), name: torch.zeros(1)})
    assert str(error.value) == f"my style.safetensors cannot be converted: it has a tensor {name}."
    assert not path.with_name("converted.safetensors").exists()


@pytest.mark.parametrize("sides", [("lora_down", "lora_up"), ("lora_A", "lora_B")])
def test_kohyas_own_format_is_refused(convert, path, sides):
    with pytest.raises(ValueError, match=r"^my style\.safetensors is in kohya's format already\.$"):
        convert(make_pairs("lora_unet_mid_block_attentions_0_proj_in", sides=sides))
    assert not path.with_name("converted.safetensors").exists()
