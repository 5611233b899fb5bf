"""The catalogue's data are valid, and only its files are identified, by content, metadata or name."""

import json
import math
import operator
import re
from collections import Counter
from pathlib import PurePosixPath

import pytest

from tcd_sampler.advice import DISTILLED
from tcd_sampler.loras.catalogue import CATALOGUE, CONTENT, METADATA, NAME
from tcd_sampler.loras.header import KOHYA, SD1, SD2, SDXL, LoRA

from ..support.layers import find_layers, name_kohya

get_name = operator.attrgetter("name")
FILES = pytest.mark.parametrize("file", CATALOGUE.files, ids=get_name)
TCD = next(file for file in CATALOGUE.files if file.name == "TCD-SDXL-LoRA")
TDD = next(file for file in CATALOGUE.files if file.name == "sdxl_tdd_lora_weights")

# The first is 600 bytes larger than the layout, for an unknown reason. The others are from another trainer.
OTHER_LAYOUTS = {
    "lcm-lora-sdxl",
    "sd_xl_turbo_lora_v1-128dim",
    "sd_xl_turbo_lora_v1-64dim",
    "sd_xl_turbo_lora_v1-16dim",
}

NAMES = {
    # the authors' names, and names of copies
    "TCD-SDXL-LoRA": "TCD",
    "tcd-sdxl": "TCD",
    "tcd-animaginexl-3_1": "TCD",
    "SDXL TCD lora (fp16)": "TCD",
    "Trajectory Consistency Distillation": "TCD",
    "tdd_sdxl": "TDD",
    "tdd_sdxl_no_adv": "TDD",
    "tdd_sdxl_yammermix": "TDD",
    "FLUX.1-dev_tdd_lora_weights": "TDD",
    "Target-Driven Distillation": "TDD",
    "Hyper-SDXL-1step-lora-fp16": "Hyper-SD unified",
    "hyper_sd15_1_step": "Hyper-SD unified",
    "Hyper-SD One-Step": "Hyper-SD unified",
    "HyperSD unified SDXL": "Hyper-SD unified",
    "sdxl_hyper_sd_4step_lora": "Hyper-SD",
    "Hyper-SDXL-8steps-lora (1)": "Hyper-SD",
    "Hyper SD": "Hyper-SD",
    "Hyper-SDXL-12steps-CFG-lora_fp16": "Hyper-SD CFG",
    "HyperSD15_8step_cfg": "Hyper-SD CFG",
    "pcm_sdxl_smallcfg_2step_converted_fp16": "PCM, small CFG",
    "PCM SD15 Small CFG": "PCM, small CFG",
    "pcm_sd15_normalcfg_8step_converted": "PCM, normal CFG",
    "pcm_deterministic_2step_shift1": "PCM",
    "Phased Consistency Model": "PCM",
    "lcm-lora-ssd-1b": "LCM",
    "LCM_LoRA_Weights_SD15": "LCM",
    "LCM_15": "LCM",
    "AnimateLCM_sd15_t2v_lora": "LCM",
    "Latent Consistency LoRA": "LCM",
    "sdxl_lightning_4step_lora (1)": "SDXL-Lightning",
    "[SDXL-Lightning]": "SDXL-Lightning",
    "SD XL Lightning LoRA v1": "SDXL-Lightning",
    "lightning_8step": "SDXL-Lightning",
    "DMD2_sdxl": "DMD2",
    "dmd_sd15_4step": "DMD2",
    "Distribution Matching Distillation": "DMD2",
    "sd_xl_turbo_lora_v1": "SDXL Turbo",
    "SDXL-Turbo-LoRA-rank08": "SDXL Turbo",
    "sd-turbo": "SDXL Turbo",
    "FlashSDXL": "Flash Diffusion",
    "flash-sd-lora": "Flash Diffusion",
    "Flash Diffusion v1": "Flash Diffusion",
    # distillations of other models
    "Hyper-FLUX.1-dev-8steps-lora": None,
    "Hyper-SD3-4steps-CFG-lora": None,
    "Qwen-Image-Lightning-4steps-V1.0": None,
    "FLUX.1-Turbo-Alpha": None,
    "SD3.5-Large-Turbo": None,
    "Z-Image-Turbo": None,
    # unrelated LoRAs
    "": None,
    "pytorch_lora_weights": None,
    "hyperrealism": None,
    "hyper realism sdxl": None,
    "hyperdetail_sdxl": None,
    "sdxl_hyper_id_lora_v1_fidelity": None,
    "lightning-magic effect": None,
    "SDXL Lightning Bolt Effects": None,
    "8 steps of lightning": None,
    "turbo-car": None,
    "XL turbo car": None,
    "TurboVisionXL": None,
    "flash photography": None,
    "camera flash SDXL": None,
    "Flash SD photography": None,
    "detail tweaker xl": None,
    "add-detail-xl": None,
    "calcmap": None,
    "film_camera_lcmos": None,
    "admdress": None,
    "matcdress": None,
    "consistency helper": None,
}


def make_lora(name="my style", metadata=None):
    return LoRA(name, 228462604, SDXL, KOHYA, 32, 2166, False, metadata or {})


@FILES
def test_a_files_data_are_valid(file):
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert re.fullmatch("([0-9a-f]{12})?", file.data_sha256)
    assert not (file.data_sha256 and file.sha256.startswith(file.data_sha256))
    assert re.fullmatch(r"[\w.-]+", file.name)
    assert not file.name.endswith(".safetensors")
    assert re.fullmatch(r"[\w-]+/[\w.-]+", file.repository)
    assert re.fullmatch(r"(\w+/)?[\w.-]+\.safetensors", file.path)
    assert file.path == "pytorch_lora_weights.safetensors" or PurePosixPath(file.path).stem == file.name
    assert file.family in (SDXL, SD2, SD1)
    assert file.license


@FILES
def test_recommended_settings_are_possible(file):
    recommended = file.recommended
    assert 1 <= recommended.steps[0] <= recommended.steps[1]
    assert 1 <= recommended.cfg_scale[0] <= recommended.cfg_scale[1]
    assert recommended.sampler in ("TCD", "LCM", "Euler")
    assert (
        (recommended.gamma is not None)
        == recommended.is_for_tcd
        == (recommended.method in ("TCD", "TDD", "Hyper-SD unified"))
    )
    assert (recommended.schedule is not None) == (recommended.sampler == "Euler" or recommended.method == "DMD2")


@FILES
def test_a_file_is_for_the_steps_in_its_name(file):
    steps = re.search(r"(?<!\d)(\d+)steps?", file.name)
    if steps and file.recommended.method not in ("Hyper-SD unified", "DMD2"):  # these work with more steps, too
        assert file.recommended.steps == (int(steps[1]),) * 2


@pytest.mark.parametrize("field", ["name", "sha256", "data_sha256", "repository and path"])
def test_no_two_files_share(field):
    values = Counter((file.repository, file.path) if " " in field else getattr(file, field) for file in CATALOGUE.files)
    assert [value for value, number in values.items() if value and number > 1] == []


def test_a_file_may_be_looked_up_by_method_and_family():
    assert CATALOGUE.find("TCD", SDXL) is TCD
    assert CATALOGUE.find("TDD", SDXL) is TDD
    assert CATALOGUE.find("TCD", SD2).name == "TCD-SD21-base-LoRA"
    assert CATALOGUE.find("TDD", SD1) is None
    assert CATALOGUE.find("TCD", None) is None


def test_a_file_may_be_looked_up_by_its_name():
    assert CATALOGUE.find(TDD.name, SDXL) is TDD
    assert CATALOGUE.find(TDD.name, SD1) is None
    assert (CATALOGUE.get_title("TDD"), CATALOGUE.get_title(TDD.name)) == ("TDD LoRA", TDD.name)


def test_the_files_for_tcd():
    assert [file.name for file in CATALOGUE.for_tcd] == [
        "TCD-SDXL-LoRA",
        "TCD-SD15-LoRA",
        "TCD-SD21-base-LoRA",
        "Hyper-SDXL-1step-lora",
        "Hyper-SD15-1step-lora",
        "sdxl_tdd_lora_weights",
        "sdxl_tdd_wo_adv_lora",
        "realvis_tdd_sdxl_lora_weights",
        "yamermix_tdd_lora_weights",
    ]


def test_a_file_inherits_settings_from_its_method():
    normal = next(file for file in CATALOGUE.files if file.name == "pcm_sdxl_normalcfg_4step_converted")
    method = CATALOGUE.methods["PCM, normal CFG"]
    assert normal.recommended.cfg_scale == (2.5, 3.5) != tuple(method["cfg_scale"])
    assert (normal.recommended.sampler, normal.recommended.schedule) == ("Euler", "SGM Uniform")
    assert normal.license == method["license"]


def get_size(family, width, metadata):
    """Returns the size of a safetensors file whose values have width bytes each."""
    header = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in sorted(name_kohya(find_layers(family)).items()):
        start, end = end, end + width * math.prod(shape)
        header[name] = {"dtype": f"F{8 * width}", "shape": shape, "data_offsets": (start, end)}
    length = len(json.dumps(header, separators=(",", ":")))
    return 8 + math.ceil(length / 8) * 8 + end


@pytest.mark.parametrize("file", [file for file in CATALOGUE.files if file.name not in OTHER_LAYOUTS], ids=get_name)
def test_a_file_has_the_size_of_its_layout(file):
    width = 4 if "Hyper" in file.name or file.name == "dmd2_sdxl_4step_lora" else 2
    tagged = file.recommended.method in ("TCD", "LCM") or file.name.startswith(("Hyper-SDXL", "Hyper-SD15-1step"))
    assert file.size == get_size(file.family, width, {"format": "pt"} if tagged else {})


@FILES
def test_a_file_is_identified_by_its_full_hash(file):
    identity = CATALOGUE.identify(make_lora(), ["0" * 64, file.sha256])
    assert (identity.file, identity.recommended, identity.by) == (file, file.recommended, CONTENT)


@pytest.mark.parametrize("rest", ["", "0" * 52])
@pytest.mark.parametrize("file", [file for file in CATALOGUE.files if file.data_sha256], ids=get_name)
def test_a_file_is_identified_by_the_hash_of_its_data(file, rest):
    identity = CATALOGUE.identify(make_lora(), [file.data_sha256 + rest])
    assert (identity.file, identity.recommended, identity.by) == (file, file.recommended, CONTENT)


def test_half_a_hash_identifies_nothing():
    assert CATALOGUE.identify(make_lora(), ["", TCD.sha256[:10], TCD.sha256[:12], TCD.data_sha256[:10]]) is None


@FILES
def test_a_file_is_identified_by_its_name(file):
    identity = CATALOGUE.identify(make_lora(file.name))
    assert (identity.file, identity.recommended, identity.by) == (None, file.recommended, NAME)


@FILES
def test_a_files_name_has_the_words_of_its_method(file):
    """The file is then still identified if its name is extended."""
    assert CATALOGUE.find_recommended(f"{file.name} lora 8").method == file.recommended.method


@pytest.mark.parametrize(("name", "method"), NAMES.items())
def test_names(name, method):
    identity = CATALOGUE.identify(make_lora(name))
    assert (identity and identity.recommended) == (
        method and CATALOGUE.make_recommended(method, CATALOGUE.methods[method])
    )


def test_every_method_has_an_identifying_name():
    assert set(NAMES.values()) - {None} == set(CATALOGUE.methods)


def test_metadata_identify_a_file():
    identity = CATALOGUE.identify(make_lora(metadata={"modelspec.title": "TCD SDXL"}))
    assert (identity.file, identity.recommended.method, identity.by) == (None, "TCD", METADATA)


def test_the_trainers_name_counts_as_a_file_name():
    identity = CATALOGUE.identify(make_lora(metadata={"ss_output_name": "TCD SDXL"}))
    assert (identity.file, identity.recommended.method, identity.by) == (None, "TCD", NAME)


def test_other_metadata_identify_no_file():
    assert CATALOGUE.identify(make_lora(metadata={"ss_training_comment": "made for TCD", "format": "pt"})) is None


@pytest.mark.parametrize("value", [{"en": "TCD"}, ["TCD"], 3, None, True])
@pytest.mark.parametrize("key", ["modelspec.title", "ss_output_name"])
def test_metadata_may_be_of_any_type(key, value):
    """A WebUI parses JSON in metadata."""
    assert CATALOGUE.identify(make_lora(metadata={key: value})) is None
    assert CATALOGUE.identify(make_lora("my tcd", {key: value})).recommended.method == "TCD"


def test_names_without_keywords_identify_no_method():
    assert not any(CATALOGUE.keywords.search(name.lower()) for name in ("", "add-detail-xl", "film_camera"))
    known = [*CATALOGUE.files, *map(make_lora, (name for name, method in NAMES.items() if method))]
    assert all(CATALOGUE.keywords.search(file.name.lower()) for file in known)


def test_content_beats_metadata_beats_a_name():
    lora = make_lora("TCD-SDXL-LoRA", {"modelspec.title": "LCM LoRA"})
    assert CATALOGUE.identify(lora, [TDD.sha256]).file is TDD
    assert CATALOGUE.identify(lora).recommended.method == "LCM"
    assert CATALOGUE.identify(make_lora("TCD-SDXL-LoRA", {"modelspec.title": "my style"})).recommended.method == "TCD"


def test_an_ordinary_lora_is_not_identified():
    assert CATALOGUE.identify(make_lora(), ["0" * 64, "0" * 12]) is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("LCM_Dreamshaper_v7", True),
        ("sd_xl_turbo_1.0_fp16", True),
        ("dreamshaperXL_v21TurboDPMSDE", True),
        ("juggernautXL_v9Rdphoto2Lightning", True),
        ("RealVisXL_V4.0_Lightning", True),
        ("juggernautXL_hyper_8step", True),
        ("Hyper-SDXL-base", True),
        ("epicrealism_DMD2", True),
        ("SDXLTurbo", True),
        ("my-distilled-model", True),
        ("hyperrealism", False),
        ("hyperRealism_30", False),
        ("hyperdetail_sdxl", False),
        ("turbine", False),
        ("matcd", False),
        ("sd_xl_base_1.0", False),
        ("", False),
    ],
)
def test_names_of_distilled_checkpoints(name, is_one):
    assert CATALOGUE.names_distillation(name, DISTILLED.split(",")) == is_one


def test_the_users_own_words():
    assert CATALOGUE.names_distillation("my_model-v2", ["My Model"])
    assert CATALOGUE.names_distillation("中文模型-v2", ["中文模型"])
    assert not CATALOGUE.names_distillation("my_model-v2", ["", " ", "mod"])
