"""LoRA tags in prompts are found, and inserted once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcd_sampler.loras.prompt import find_loras, insert_lora, is_usable, read_tag
from tests.support.comments import STRIPS, strip_a1111, strip_neo


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
        ("<lora:a:0.5:te=0>", 0),
        ("<lora:a:0.5:te=0:unet=1>", 1),
        ("<lora:a: 0.5 >", 0.5),
    ],
)
def test_a_tags_weight_for_the_unet(tag, weight):
    assert find_loras(f"a house {tag} by the sea") == [("a", weight)]


def test_several_tags_and_none():
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
def test_a_lora_is_inserted_once(prompt, others, expected):
    assert insert_lora(prompt, "new", 0.8, others) == expected
    assert insert_lora(expected, "new", 0.8, others) == expected


@pytest.mark.parametrize("tag", ["<lora:a:>", "<lora:a:much>", "<lora:a:0,8>", "<lora:a:1.0.0>", "<lora:a:1:>"])
def test_a_weight_that_cannot_be_read(tag):
    """The WebUIs then apply none of the prompt's LoRAs."""
    with pytest.raises(ValueError, match=r"could not convert|invalid literal"):
        read_tag(tag[6:-1].split(":"))
    assert find_loras(f"a house {tag}") == [("a", None)]


@pytest.mark.parametrize("items", [["a", "1", "1", "x"], ["a", "dyn=x"], ["a", "te="], ["a", "unet=x"], ["a=b"]])
def test_other_arguments_that_cannot_be_read(items):
    with pytest.raises(ValueError):
        read_tag(items)


def test_a_tags_items_may_be_numbers():
    """The WebUI itself uses a number as the weight of the LoRA in its settings."""
    assert read_tag(["a", 0.5]) == ("a", 0.5)


@pytest.mark.parametrize("name", ["a ", " a", "a<b", "ä", "a(1)", "a=b=c", "a.b, c", "a\tb"])
def test_usable_names_are_kept_exactly(name):
    assert is_usable(name)
    assert find_loras(insert_lora("a house", name, 1)) == [(name, 1)]


@pytest.mark.parametrize("name", ["a:b", "a>b", "a=b"])
def test_names_that_no_tag_can_hold(name):
    assert not is_usable(name)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a house # my note", "<lora:new:0.8>\na house # my note"),
        ("# a title\na house", "# a title\na house <lora:new:0.8>"),
        ("a house\n# my note", "<lora:new:0.8>\na house\n# my note"),
        ("# my note", "<lora:new:0.8>\n# my note"),
        ("a house #1\nby the sea #2 #3", "<lora:new:0.8>\na house #1\nby the sea #2 #3"),
        ("a house # <lora:new:1>", "<lora:new:0.8>\na house # <lora:new:1>"),
        ("a <lora:old:1> # <lora:old:1>", "a <lora:new:0.8> # <lora:old:1>"),
        ("# <lora:old:1>\na house", "# <lora:old:1>\na house <lora:new:0.8>"),
        ("# <lora:old\na <lora:old:1> house", "# <lora:old\na <lora:new:0.8> house"),
    ],
)
@pytest.mark.parametrize("strip", STRIPS)
def test_comments(strip, prompt, expected):
    """The tag is inserted outside comments, and comments stay unchanged."""
    assert insert_lora(prompt, "new", 0.8, {"old"}, strip) == expected
    assert insert_lora(expected, "new", 0.8, {"old"}, strip) == expected
    assert find_loras(expected, strip) == [("new", 0.8)]


PIECES = [
    "a house",
    "<lora:old:1>",
    "<lora:style:1>",
    "\n",
    " ",
    "# one",
    "// two",
    "/* three */",
    "/* four",
    "*/",
    "\ue000",
]


@pytest.mark.parametrize("strip", STRIPS)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=8))
def test_the_host_sees_an_inserted_lora(strip, pieces):
    prompt = "".join(pieces)
    inserted = insert_lora(prompt, "new", 0.8, {"old"}, strip)
    before, after = ([name for name, _ in find_loras(each, strip)] for each in (prompt, inserted))
    assert after.count("new") == 1
    assert [name for name in after if name != "new"] == [name for name in before if name != "old"]


@pytest.mark.parametrize("strip", STRIPS)
def test_a_style_stays_inside_its_comment(strip):
    """Hosts append styles to a prompt before they remove comments."""
    prompt = "a house # my note"
    inserted = insert_lora(prompt, "new", 0.8, strip=strip)
    assert strip(f"{inserted}, oil").split() == ["<lora:new:0.8>", *strip(f"{prompt}, oil").split()]


def test_a_comment_inside_a_tag():
    assert find_loras("<lora:a:0.5 # note\n>", strip_a1111) == [("a", 0.5)]
    assert find_loras("<lora:a/* note */:0.5>", strip_neo) == [("a", 0.5)]


def test_without_comments_a_hash_is_a_character():
    assert find_loras("a # <lora:a:1>") == [("a", 1)]
    assert insert_lora("a # b", "new", 1) == "a # b <lora:new:1>"
    assert is_usable("a#b")


@pytest.mark.parametrize("strip", STRIPS)
def test_names_cut_by_a_comment_are_not_usable(strip):
    assert not is_usable("a#b", strip)
    assert is_usable("a b", strip)
