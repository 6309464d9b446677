"""Captions say only what a scene shows, in words that the description pool knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipheads.demo_world.world.captions import (
    BACKDROP_WORDS,
    WEATHER_WORDS,
    attribute_texts,
    caption,
    description_pool,
    scene_attributes,
    scene_facts,
    title,
)
from clipheads.demo_world.world.scenes import COLOURS, PATTERNS, STYLES, Scene, sample_scene
from clipheads.demo_world.world.sprites import default_sprites

SEEDS = st.integers(0, 10_000_000)
TEXTS = attribute_texts(default_sprites())


def scene_with(*, objects: int) -> Scene:
    return next(s for s in map(sample_scene, range(1000)) if len(s.objects) == objects)


@settings(max_examples=300, deadline=None)
@given(SEEDS, SEEDS)
def test_a_caption_names_no_colour_pattern_or_style_that_the_scene_does_not_show(
    seed: int, words: int
) -> None:
    scene = sample_scene(seed)
    said, claims = caption(scene, np.random.default_rng(words), TEXTS)
    background = said[said.rindex(" on a") :] if " on a" in said else ""

    for colour in COLOURS:
        if f" {colour} " in background:
            assert colour == scene.visible_colour
    for pattern in PATTERNS:
        if f" {pattern} " in background:
            assert pattern == scene.pattern
    for style in set(STYLES) - {"plain", "night", "blur"}:
        if said.startswith(f"a {style} picture"):
            assert style == scene.style
    for words_of, shown in ((BACKDROP_WORDS, scene.backdrop), (WEATHER_WORDS, scene.weather)):
        for value, phrase in words_of.items():
            if said.endswith(phrase):
                assert value == shown
    assert claims <= scene_facts(scene)


@settings(max_examples=300, deadline=None)
@given(SEEDS, SEEDS)
def test_a_caption_claims_what_its_words_say_and_nothing_else(seed: int, words: int) -> None:
    scene = sample_scene(seed)
    said, claims = caption(scene, np.random.default_rng(words), TEXTS)
    claimed = {attribute for attribute, _ in claims}

    assert ("position" in claimed) == (scene.position is not None and scene.position in said)
    assert ("backdrop" in claimed) == (
        scene.backdrop is not None and BACKDROP_WORDS[scene.backdrop] in said
    )
    if "colour" in claimed:
        assert str(scene.colour) in said
    if "size" in claimed:
        assert f"{scene.size} " in said
    for item in scene.objects:
        if ("object", item.name) in claims and scene.count == 1:
            assert item.name in said


def test_of_two_different_objects_both_are_facts_and_neither_is_the_single_answer() -> None:
    scene = scene_with(objects=2)
    names = {item.name for item in scene.objects}

    assert {value for attribute, value in scene_facts(scene) if attribute == "object"} == names
    assert scene_attributes(scene)["object"] is None
    assert scene_attributes(scene)["count"] == "2"


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_every_fact_has_a_text_and_every_text_is_in_the_description_pool(seed: int) -> None:
    pool = {entry.text for entry in description_pool(default_sprites())}

    assert {TEXTS[name][value] for name, value in scene_facts(sample_scene(seed))} <= pool


def test_no_two_descriptions_of_the_pool_have_the_same_words() -> None:
    texts = [entry.text for entry in description_pool(default_sprites())]

    assert len(texts) == len(set(texts))


def test_captions_of_one_scene_differ_in_what_they_leave_out() -> None:
    rng = np.random.default_rng(0)
    said = {caption(sample_scene(3), rng, TEXTS).text for _ in range(60)}

    assert len(said) > 15


def test_no_caption_is_cut_by_the_context_of_the_demo_clip() -> None:
    from clipheads.demo_world.clip.demo_model import MODEL_CONFIG
    from clipheads.model.open_clip_import import import_open_clip

    context = MODEL_CONFIG["text_cfg"]["context_length"]
    tokenizer = import_open_clip().SimpleTokenizer(context_length=77)
    rng = np.random.default_rng(0)
    scenes = [sample_scene(seed) for seed in range(3000)]
    lengths = (tokenizer([caption(scene, rng, TEXTS).text for scene in scenes]) != 0).sum(dim=1)

    assert lengths.max() <= context


@pytest.mark.parametrize(
    ("name", "one", "three"),
    [
        ("owl", "An owl", "Three owls"),
        ("flag of Japan", "A flag of Japan", "Three flags of Japan"),
        ("face with tears of joy", "A face with tears of joy", "Three faces with tears of joy"),
        ("cherries", "Cherries", "Three cherries"),
        ("strawberry", "A strawberry", "Three strawberries"),
        ("unicorn", "A unicorn", "Three unicorns"),
        ("hourglass", "An hourglass", "Three hourglasses"),
    ],
)
def test_titles_are_english(name: str, one: str, three: str) -> None:
    names = [item.name for item in default_sprites().objects]
    scenes = [sample_scene(seed, object_index=names.index(name)) for seed in range(200)]
    single = next(title(s) for s in scenes if s.count == 1 and s.size is None)
    several = next(title(scene) for scene in scenes if scene.count == 3)

    assert single.startswith(f"{one} ")
    assert several.startswith(f"{three} ")
