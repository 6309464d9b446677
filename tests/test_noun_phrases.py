"""Titles name every object of the demo world, alone, counted and with a size, in plain English."""

import re

import pytest

from clipheads.demo_world.world.noun_phrases import several, single, sized
from clipheads.demo_world.world.sprites import default_sprites

NAMES = [item.name for item in default_sprites().objects]
JOINT = r" (?:of|with|in|on|at|behind|screaming|pointing|and|up|down) "
SAME_IN_PLURAL = {"deer", "moose", "bison", "sheep", "fish", "pufferfish", "jellyfish", "squid"}
OTHER_PLURALS = {"feet", "teeth", "mice", "geese", "women", "snowmen", "dice", "people"}


def noun(phrase: str) -> str:
    """Return the last word of what is counted: "pairs" of "three pairs of skis"."""
    return re.split(JOINT, f"{phrase} ")[0].split()[-1]


def plural(phrase: str) -> bool:
    """Whether "three …" counts a plural, and no plural of a plural such as "glasseses"."""
    word = noun(phrase)
    return (
        re.fullmatch(r"three [^ ].*", phrase) is not None
        and (word.endswith("s") or word in SAME_IN_PLURAL | OTHER_PLURALS)
        and not re.search(r"[gklmtdn]ses$", word)
    )


def test_what_is_counted_is_in_the_plural() -> None:
    phrases = [several(name, "three") for name in NAMES]
    assert [phrase for phrase in phrases if not plural(phrase)] == []


def test_what_has_a_size_is_one() -> None:
    phrases = {name: sized(name, "large") for name in NAMES}
    assert [phrase for phrase in phrases.values() if not phrase.startswith("a large ")] == []
    plurals = {name for name in NAMES if re.search(r"(?<![suio])s$", noun(phrases[name]))}
    assert {name for name in plurals if not name.startswith("thumbs ")} == set()


def test_one_alone_has_an_article_unless_it_is_many_or_stuff() -> None:
    phrases = {name: single(name) for name in NAMES}
    bare = [name for name in NAMES if phrases[name] == name]
    units = {name: sized(name, "large").removeprefix("a large ") for name in bare}
    assert [
        name for name in bare if units[name] == name and name not in COUNTED_WITHOUT_ARTICLE
    ] == []
    others = [name for name in NAMES if name not in bare]
    assert [name for name in others if phrases[name] not in (f"a {name}", f"an {name}")] == []
    assert len(NAMES) > 600


COUNTED_WITHOUT_ARTICLE = {
    "fire", "green salad", "Santa Claus", "thumbs up", "thumbs down", "fish cake with swirl",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "alone", "three", "large"),
    [
        ("clinking beer mugs", "clinking beer mugs", "pairs of clinking beer mugs",
         "pair of clinking beer mugs"),
        ("salt", "salt", "shakers of salt", "shaker of salt"),
        ("fork and knife", "fork and knife", "sets of fork and knife", "set of fork and knife"),
        ("pencil and paper", "pencil and paper", "sets of pencil and paper",
         "set of pencil and paper"),
        ("skis", "skis", "pairs of skis", "pair of skis"),
        ("money with wings", "money with wings", "wads of money with wings",
         "wad of money with wings"),
        ("cherries", "cherries", "cherries", "pair of cherries"),
        ("bow and arrow", "a bow and arrow", "bows and arrows", "bow and arrow"),
        ("owl", "an owl", "owls", "owl"),
        ("flag of Japan", "a flag of Japan", "flags of Japan", "flag of Japan"),
    ],
)  # fmt: skip
def test_phrases_that_need_care(name: str, alone: str, three: str, large: str) -> None:
    assert single(name) == alone
    assert several(name, "three") == f"three {three}"
    assert sized(name, "large") == f"a large {large}"
