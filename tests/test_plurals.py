"""Plurals are formed and undone with one table, so that one way is the inverse of the other."""

import hashlib

import pytest

from clipheads.bundle.plurals import _IRREGULAR, _SINGULARS, plural, singular
from clipheads.demo_world.world.noun_phrases import plural_as_trained
from clipheads.demo_world.world.sprites import default_sprites


@pytest.mark.parametrize("noun", sorted({*_IRREGULAR, *_SINGULARS.values(), "berry", "fox", "cup"}))
def test_the_singular_of_a_plural_is_the_noun(noun: str) -> None:
    assert singular(plural(noun)) == noun
    assert singular(noun) == noun


@pytest.mark.parametrize(
    ("word", "expected"),
    [("cacti", "cactus"), ("glasses", "glass"), ("boxes", "box"), ("toys", "toy"), ("as", "as")],
)
def test_other_words_follow_rules(word: str, expected: str) -> None:
    assert singular(word) == expected


def test_captions_keep_the_plurals_that_the_demo_clip_was_trained_on() -> None:
    plurals = "\n".join(plural_as_trained(item.name) for item in default_sprites().objects)
    assert hashlib.sha256(plurals.encode()).hexdigest() == (
        "f48d806df5bb6381145a2c10c7309d3aabe762a683da6c9450b87bb3a683dad0"
    )
