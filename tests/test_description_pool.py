"""The texts that people edit: the description pool, the topics and the contrasts."""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.label_names import fold_label
from clipheads.texts.pools import read_contrasts, read_descriptions

POOL = data_file("descriptions", "general.csv")
TOPICS = data_file("topics.csv")
CONTRASTS = data_file("contrasts.csv")
COLUMNS = {POOL: ["text", "property"], TOPICS: ["text", "property"], CONTRASTS: ["first", "second"]}

# "Orange" is left out: it is a fruit as well.
COLOURS = re.compile(r"\b(red|yellow|green|blue|purple|pink|brown|white|black|grey)\b", re.I)


def texts_by_property() -> dict[str, list[str]]:
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for description in read_descriptions(POOL):
        assert description.property is not None, f"{description.text!r} has no property"
        texts[description.property].append(description.text)
    return dict(texts)


def folded(text: str) -> str:
    """Fold articles too, so that "a cube" and "the cubes" count as one text."""
    words = fold_label(text).split()
    return " ".join(word for word in words if word not in {"a", "an", "the"} or len(words) == 1)


@pytest.mark.parametrize("path", COLUMNS, ids=lambda path: path.name)
def test_files_are_plain_tables_of_two_full_columns(path: Path) -> None:
    content = path.read_bytes()
    assert content.endswith(b"\n")
    assert b"\r" not in content
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == COLUMNS[path]
    assert rows
    for number, row in enumerate(rows, start=2):
        assert len(row) == 2, f"{path.name}, line {number}"
        for field in row:
            assert field, f"{path.name}, line {number}: an empty field"
            assert field == " ".join(field.split()), f"{path.name}, line {number}: {field!r}"
            # CLIP cuts off after 77 tokens; 100 characters of English stay far below.
            assert len(field) <= 100, f"{path.name}, line {number}: {len(field)} characters"


def test_the_pool_is_as_large_and_as_broad_as_promised() -> None:
    texts = texts_by_property()
    assert sum(map(len, texts.values())) >= 3500
    assert len(texts) >= 45


def test_reading_the_pool_drops_nothing() -> None:
    notes: list[str] = []
    read_descriptions(POOL, notes.append)
    assert notes == []


def test_properties_are_balanced() -> None:
    few = {"counting": 40, "letter": 40}
    off = {
        name: len(texts)
        for name, texts in texts_by_property().items()
        if not few.get(name, 50) <= len(texts) <= 120
    }
    assert off == {}


def test_property_names_are_lower_case_and_never_two_spellings_of_one() -> None:
    names = list(texts_by_property())
    assert [name for name in names if not re.fullmatch(r"[a-z]+( [a-z]+)*", name)] == []
    assert len({fold_label(name) for name in names}) == len(names)


def test_no_two_texts_are_the_same_after_folding() -> None:
    same = defaultdict(list)
    for name, texts in texts_by_property().items():
        for text in texts:
            same[folded(text)].append(f"{text} ({name})")
    assert [texts for texts in same.values() if len(texts) > 1] == []


def test_wording_varies_within_each_property() -> None:
    for name, texts in texts_by_property().items():
        openings = Counter(" ".join(text.casefold().split()[:3]) for text in texts)
        opening, count = openings.most_common(1)[0]
        assert count <= 0.15 * len(texts), f"{name}: {count} of {len(texts)} begin {opening!r}"


def test_colours_are_named_only_under_colour() -> None:
    stray = [
        f"{text} ({name})"
        for name, texts in texts_by_property().items()
        if name != "colour"
        for text in texts
        if COLOURS.search(text)
    ]
    assert stray == []


def test_every_continent_is_a_place() -> None:
    places = " ".join(texts_by_property()["location"])
    for place in ("Kenya", "Japan", "France", "New York", "Brazil", "Australia", "Antarctica"):
        assert place in places


def test_topics_are_distinct_and_their_properties_are_in_the_pool() -> None:
    topics = read_descriptions(TOPICS)
    assert len(topics) == 12
    assert len({folded(topic.text) for topic in topics}) == len(topics)
    properties = set(texts_by_property())
    assert [topic for topic in topics if topic.property and topic.property not in properties] == []


def test_contrasts_set_two_different_texts_against_each_other() -> None:
    contrasts = read_contrasts(CONTRASTS)
    assert len(contrasts) == 8
    assert [pair for pair in contrasts if folded(pair[0]) == folded(pair[1])] == []
    assert len({frozenset(map(folded, pair)) for pair in contrasts}) == len(contrasts)


def test_the_readme_names_every_file_that_people_edit_and_its_columns() -> None:
    text = (POOL.parent / "README.md").read_text(encoding="utf-8")
    for file in (*POOL.parent.glob("*.csv"), *POOL.parents[1].glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            columns = next(csv.reader(lines))
        assert f"{file.name}`" in text
        assert all(f"`{column}`" in text for column in columns), file.name
