"""LoRAs in prompts are found, and put in once."""

import pytest

from tcd_sampler.prompt import find_loras, is_usable, put_lora


@pytest.mark.parametrize(
    ("tag", "weight"),
    [
        ("<lora:a>", 1),
        ("<lora:a:0.5>", 0.5),
        ("<lora:a:-1>", -1),
        ("<lora:a:0>", 0),
        ("<lyco:a:0.5>", 0.5),
        ("<lora:a:0.5:0.2>", 0.2),
        ("<lora:a:0.5:0.2:64>", 0.2),
        ("<lora:a:unet=0.3>", 0.3),
        ("<lora:a:te=0.5:unet=0.3>", 0.3),
        ("<lora:a:0.5:te=0>", 0.5),
        ("<lora:a:>", 1),
        ("<lora:a:much>", 1),
    ],
)
def test_a_tags_weight_for_the_unet(tag, weight):
    assert find_loras(f"a house {tag} by the sea") == [("a", weight)]


def test_several_and_none():
    assert find_loras("<lora:a b-c_1.0:1>x<lora:d:2>") == [("a b-c_1.0", 1), ("d", 2)]
    assert find_loras("a (house:1.2) <hypernet:a:1> lora:a:1 <lora>") == []


@pytest.mark.parametrize(
    ("prompt", "others", "expected"),
    [
        ("a house", (), "a house <lora:new:0.8>"),
        ("", (), "<lora:new:0.8>"),
        ("a <lora:style:1> house", (), "a <lora:style:1> house <lora:new:0.8>"),
        ("a <lora:new:1> house", (), "a <lora:new:0.8> house"),
        ("a <lora:new:1> house<lora:new:0.2>", (), "a <lora:new:0.8> house"),
        ("a <lora:old:1> house", {"old"}, "a <lora:new:0.8> house"),
        ("<lora:style:1> <lora:old:1><lora:older:1>", {"old", "older"}, "<lora:style:1> <lora:new:0.8>"),
        ("<lora:old:1>, <lora:new:1>", {"old"}, ", <lora:new:0.8>"),
    ],
)
def test_a_lora_is_put_in_once(prompt, others, expected):
    assert put_lora(prompt, "new", 0.8, others) == expected
    assert put_lora(expected, "new", 0.8, others) == expected


def test_names_that_no_tag_can_hold():
    assert is_usable("TCD-SDXL-LoRA v1.0")
    assert not any(map(is_usable, ("a:b", "a>b", "a<b")))
