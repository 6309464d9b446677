"""Slugs are safe in URLs, never alike, and do not move when others are added."""

import re

from hypothesis import given
from hypothesis import strategies as st

from clipheads.bundle.slugs import slug, unique_slugs


@given(st.text())
def test_any_text_gives_a_safe_name(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(text))
    assert len(slug(text)) <= 80


@given(st.lists(st.text(max_size=8), unique=True))
def test_no_two_slugs_are_alike(texts: list[str]) -> None:
    slugs = unique_slugs((text, text) for text in texts)
    assert len(set(slugs)) == len(texts)


def test_accents_and_separators_become_plain_words() -> None:
    assert slug("Été/Crème brûlée_2.jpg") == "ete-creme-brulee-2-jpg"
    assert slug("日本") == "item"


def test_long_names_stay_apart() -> None:
    assert slug("a" * 300) != slug("a" * 301)


def test_a_name_does_not_move_when_others_come_before_it() -> None:
    few = unique_slugs([("x/a.jpg", "a"), ("x/a.png", "a")])
    more = unique_slugs([("x/a.jpg", "a"), ("x/a.bmp", "a"), ("x/a.png", "a")])
    assert few[1] == more[2]
