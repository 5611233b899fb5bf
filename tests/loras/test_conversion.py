"""Copies in kohya's format are compared with the output of diffusers' converters."""

import json
import re

import pytest
import safetensors.torch
import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin
from diffusers.utils import convert_state_dict_to_kohya, convert_state_dict_to_peft, convert_unet_state_dict_to_peft

from tcd_sampler import messages
from tcd_sampler.loras import conversion
from tcd_sampler.loras.conversion import convert_to_kohya
from tcd_sampler.loras.header import SD1, SD2, SDXL

from ..support.layers import BLOCK, TEXT, find_layers, name_kohya
from ..support.messages import refused


@pytest.fixture
def convert(path, tmp_path):
    """Converts a file with these tensors, and returns the copy's tensors and metadata."""

    def convert(tensors, metadata=None, target="converted"):
        safetensors.torch.save_file(tensors, path, metadata)
        target = tmp_path / f"{target}.safetensors"
        convert_to_kohya(path, target)
        with safetensors.safe_open(target, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118

    return convert


def make_tensors(names, dtype=torch.float32):
    """Returns down and up matrices of rank 2, each with different random values."""
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


@pytest.mark.parametrize("family", [SD1, SD2, SDXL])
def test_peft_is_converted_as_by_diffusers(convert, family):
    peft = make_pairs(*(f"unet.{name}" for name in find_layers(family)))
    converted, _ = convert(peft)
    assert_same(converted, convert_state_dict_to_kohya(peft))
    assert set(converted) == set(name_kohya(find_layers(family)))


@pytest.mark.parametrize("family", [SD1, SDXL])
def test_diffusers_reads_the_same_lora_from_the_copy(convert, family):
    peft = make_pairs(*(f"unet.{name}" for name in find_layers(family)))
    converted, _ = convert(peft, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8})})
    loaded, alphas = StableDiffusionXLLoraLoaderMixin.lora_state_dict(converted)
    assert_same(convert_unet_state_dict_to_peft(loaded), peft)
    assert len(alphas) == len(find_layers(family))
    assert set(alphas.values()) == {8}


def test_old_diffusers_is_converted_like_peft(convert):
    """Checks attention layers only, as diffusers saved them before it used PEFT."""
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
def test_other_names_of_old_diffusers(convert, module, name):
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
def test_prefixes_and_suffixes_of_peft_and_torch_are_removed(convert, before, after):
    tensors = make_pairs(f"{before}{BLOCK}.attn1.to_q", sides=(f"lora_A{after}", f"lora_B{after}"))
    converted, _ = convert(tensors)
    down, up = tensors.values()
    assert_same(converted, convert_state_dict_to_kohya(dict(zip(make_pairs(f"unet.{BLOCK}.attn1.to_q"), (down, up)))))


TEXT_LAYERS = [f"{TEXT}.{side}_proj" for side in ("q", "k", "v", "out")] + ["text_model.encoder.layers.11.mlp.fc1"]


def test_the_text_encoders_of_sdxl(convert):
    """diffusers calls the first encoder lora_te1 in any model, kohya's scripts in SDXL only."""
    modules = [f"{part}.{name}" for part in ("text_encoder", "text_encoder_2") for name in TEXT_LAYERS]
    peft = make_pairs(f"unet.{BLOCK}.attn1.to_q", *modules)
    assert_same(convert(peft)[0], convert_state_dict_to_kohya(peft))


def test_the_text_encoder_of_sd(convert):
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
def test_alphas_from_diffusers_metadata(convert, config, alphas, part):
    modules = [f"{part}mid_block.attentions.0.{name}" for name in ("proj_in", "proj_out")]
    notes = config and {f"{part}{key}": value for key, value in config.items()} | {"text_encoder.lora_alpha": 32}
    converted, metadata = convert(make_pairs(*modules), notes and {"lora_adapter_metadata": json.dumps(notes)})
    assert get_alphas(converted) == pytest.approx(dict(zip([IN, OUT], alphas)))
    assert metadata == {"format": "pt"}  # diffusers rejects files with both this metadata and alphas


@pytest.mark.parametrize("before", ["unet.", ""])
@pytest.mark.parametrize("after", ["", ".lora", "_lora"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])  # stored before the other tensors, or among them
def test_alphas_in_the_file_are_kept(convert, before, after, dtype):
    tensors = make_pairs(f"{before}mid_block.attentions.0.proj_in", f"{before}mid_block.attentions.0.proj_out")
    tensors[f"{before}mid_block.attentions.0.proj_in{after}.alpha"] = torch.tensor(0.5, dtype=dtype)
    notes = {"lora_adapter_metadata": json.dumps({f"{before}lora_alpha": 8})}
    converted, _ = convert(tensors, notes)
    assert get_alphas(converted) == {IN: 0.5, OUT: 8}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_values_and_dtypes_are_kept(convert, dtype):
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
def test_an_unknown_tensor_is_refused(convert, path, name):
    with refused(messages.UNKNOWN_TENSOR, file="my style.safetensors", tensor=name):
        convert({**make_pairs(f"unet.{BLOCK}.attn1.to_q"), name: torch.zeros(1)})
    assert not path.with_name("converted.safetensors").exists()


@pytest.mark.parametrize("sides", [("lora_down", "lora_up"), ("lora_A", "lora_B")])
def test_kohyas_own_format_is_refused(convert, path, sides):
    with refused(messages.ALREADY_KOHYA, file="my style.safetensors"):
        convert(make_pairs("lora_unet_mid_block_attentions_0_proj_in", sides=sides))
    assert not path.with_name("converted.safetensors").exists()


def test_the_copy_has_the_label_that_a1111_reads(convert):
    names = {"SDXL": (2048, {"ss_base_model_version": "sdxl_base_v1-0"}), "SD 2.1": (1024, {"ss_v2": "True"})}
    for width, label in (*names.values(), (768, {})):
        pair = {f"unet.{BLOCK}.attn2.to_k.lora_A.weight": torch.zeros(2, width)}
        _, metadata = convert({**pair, f"unet.{BLOCK}.attn2.to_k.lora_B.weight": torch.zeros(2, 2)}, target=f"{width}")
        assert metadata == {**label, "format": "pt"}


def test_unreadable_metadata_are_refused(convert, path):
    for notes in ("{", "3"):
        with refused(messages.UNREADABLE_CONFIG, file="my style.safetensors", key="lora_adapter_metadata"):
            convert(make_pairs(f"unet.{BLOCK}.attn1.to_q"), {"lora_adapter_metadata": notes})


def test_an_existing_file_is_kept(convert, path):
    path.with_name("converted.safetensors").write_bytes(b"mine")
    with refused(messages.FILE_EXISTS, file="converted.safetensors"):
        convert(make_pairs(f"unet.{BLOCK}.attn1.to_q"))
    assert path.with_name("converted.safetensors").read_bytes() == b"mine"
    assert len(list(path.parent.iterdir())) == 2


def test_two_conversions_at_once(convert, path, monkeypatch):
    """A second conversion that starts while the first one moves its copy into place does no harm."""
    original = conversion.move_into_place

    def move_into_place(part, target):
        monkeypatch.undo()
        original(part, target)
        with refused(messages.FILE_EXISTS, file=target.name):
            convert_to_kohya(path, target)

    monkeypatch.setattr(conversion, "move_into_place", move_into_place)
    tensors, _ = convert(make_pairs(f"unet.{BLOCK}.attn1.to_q"))
    assert len(tensors) == 3
    assert {file.name for file in path.parent.iterdir()} == {path.name, "converted.safetensors"}


def test_a_copy_has_the_permissions_of_the_original(convert, path):
    convert(make_pairs(f"unet.{BLOCK}.attn1.to_q"))
    assert path.with_name("converted.safetensors").stat().st_mode == path.stat().st_mode


def test_a_full_disk(convert, path, monkeypatch):
    def fail(_, part, **__):
        part.write_bytes(b"half")
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("tcd_sampler.loras.conversion.save_file", fail)
    with refused(messages.CANNOT_WRITE, file="converted.safetensors") as error:
        convert(make_pairs(f"unet.{BLOCK}.attn1.to_q"))
    assert "No space left" in str(error.value.message.values["reason"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]
