import itertools

import pytest
import torch

from tcd_sampler.lab.miniature.drawing import SIZE, draw_scene
from tcd_sampler.lab.miniature.scenes import (
    COLORS,
    GROUNDS,
    PATTERNS,
    PLACES,
    SHAPES,
    SKIES,
    Look,
    Scene,
    choose_scene,
)

LOOKS = [Look(*words) for words in itertools.product(SHAPES, COLORS, PATTERNS)]


def test_captions():
    scene = Scene((("left", Look("ball", "red", "plain")), ("right", Look("tree", "orange", "dotted"))), "snow", "fog")
    assert scene.caption == "a red ball on the left and an orange dotted tree on the right, on snow, in fog"


def test_held_out_looks_contain_every_word():
    held_out = [look for look in LOOKS if look.is_held_out]
    assert len(held_out) == len(LOOKS) / 8
    assert {(look.shape, look.pattern) for look in held_out} == set(itertools.product(SHAPES, PATTERNS))
    assert {look.color for look in held_out} == set(COLORS)


@pytest.mark.parametrize("held_out", [False, True])
def test_scenes_have_one_kind_of_looks_and_all_grounds_skies_and_places(held_out):
    scenes = [choose_scene(seed, held_out) for seed in range(2000)]
    assert {look.is_held_out for scene in scenes for _, look in scene.things} == {held_out}
    assert {scene.ground for scene in scenes} == set(GROUNDS)
    assert {scene.sky for scene in scenes} == set(SKIES)
    assert {tuple(place for place, _ in scene.things) for scene in scenes} == {("left", "right"), *zip(PLACES)}
    assert len({look for scene in scenes for _, look in scene.things}) == (32 if held_out else 224)


def test_a_seed_determines_the_image():
    scene = choose_scene(3)
    assert scene == choose_scene(3)
    assert torch.equal(draw_scene(scene, 3), draw_scene(scene, 3))
    assert not torch.equal(draw_scene(scene, 3), draw_scene(scene, 4))


def test_images_are_drawn():
    for seed in range(50):
        image = draw_scene(choose_scene(seed), seed)
        assert image.shape == (3, SIZE, SIZE)
        assert 0 <= image.min() <= image.max() <= 1
        assert image.std() > 0.05


@pytest.mark.parametrize("word", ["shape", "color", "pattern"])
@pytest.mark.parametrize("place", PLACES)
def test_every_word_changes_the_image_at_its_place(word, place):
    """Two scenes that differ in one word of a thing differ around its place."""
    words = {"shape": SHAPES, "color": COLORS, "pattern": PATTERNS}[word]
    for a, b in itertools.combinations(words, 2):
        looks = [Look("ball", "red", "plain")._replace(**{word: value}) for value in (a, b)]
        first, second = (draw_scene(Scene(((place, look),), "grass", "day"), 1) for look in looks)
        changed = ((first - second).abs().sum(0) > 0.1).any(0).nonzero().flatten()
        center = SIZE * {"left": 0.27, "middle": 0.5, "right": 0.73}[place]
        assert len(changed) > 5
        assert abs(changed.float().mean() - center) < SIZE * 0.08


@pytest.mark.parametrize(("field", "values"), [("ground", GROUNDS), ("sky", SKIES)])
def test_every_ground_and_sky_is_visible(field, values):
    thing = (("left", Look("ball", "red", "plain")),)
    images = [draw_scene(Scene(thing, **{"ground": "grass", "sky": "day", field: value}), 1) for value in values]
    rows = slice(int(SIZE * 0.9), None) if field == "ground" else slice(0, SIZE // 3)
    for a, b in itertools.combinations(images, 2):
        assert (a - b)[:, rows].abs().mean() > 0.05
