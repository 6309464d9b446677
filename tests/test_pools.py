"""Texts are read from plain files; labels compare beyond case, punctuation and plural."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.texts.pools import (
    Description,
    pool_record,
    read_contrasts,
    read_descriptions,
    read_words,
)


def test_a_csv_carries_properties(tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_text(
        'text,property\n"A photo of a cat, asleep",animals\nA red thing,colours\nBare,\n',
        encoding="utf-8-sig",
    )
    assert read_descriptions(path) == [
        Description("A photo of a cat, asleep", "animals"),
        Description("A red thing", "colours"),
        Description("Bare", None),
    ]


def test_a_text_file_has_a_text_a_line_and_no_properties(tmp_path: Path) -> None:
    path = tmp_path / "pool.txt"
    path.write_text("A cat\n\n  A   dog \r\n")
    assert read_descriptions(path) == [Description("A cat"), Description("A dog")]


def test_repeated_texts_are_dropped_and_told(tmp_path: Path) -> None:
    path = tmp_path / "pool.txt"
    path.write_text("A cat\nA dog\nA cat\nA  cat\n")
    notes: list[str] = []
    assert [row.text for row in read_descriptions(path, notes.append)] == ["A cat", "A dog"]
    assert notes == ["pool.txt: 2 repeated texts dropped"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pool.txt", "\n\n", "no description"),
        ("pool.csv", "text,property\n", "no description"),
        ("pool.csv", "words\ncat\n", "must name the columns text,property"),
        ("pool.csv", "", "must name the columns text,property"),
        ("pool.csv", "text,property\na cat, asleep,animals\n", "line 2: more fields than columns"),
        ("pool.json", "[]", r"a \.csv or a \.txt"),
    ],
)
def test_files_of_another_form_are_one_clear_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(AtlasError, match=message):
        read_descriptions(tmp_path / name)


def test_missing_and_binary_files_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="no such file"):
        read_descriptions(tmp_path / "pool.txt")
    (tmp_path / "pool.txt").write_bytes(b"a\xff\xfe")
    with pytest.raises(AtlasError, match="not UTF-8"):
        read_descriptions(tmp_path / "pool.txt")


def test_contrasts_are_pairs(tmp_path: Path) -> None:
    path = tmp_path / "contrasts.csv"
    path.write_text("first,second\na cat,a dog\na cat,a dog\nred,blue\n")
    assert read_contrasts(path) == [("a cat", "a dog"), ("red", "blue")]
    path.write_text("first,second\na cat,\n")
    with pytest.raises(AtlasError, match="'a cat' has no text to be contrasted with"):
        read_contrasts(path)


def test_words_come_with_the_text_that_says_them(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("word,text\ndog,a photo of a dog\n\nhot  dog,a snack\n")
    assert read_words(path) == [("dog", "a photo of a dog"), ("hot dog", "a snack")]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("dog,a dog", "at least two words"),
        ("dog,\ncat,a cat", "line 2: 'dog' needs both a word and a text"),
        (",a dog\ncat,a cat", "line 2: 'a dog' needs both a word and a text"),
        ("dog,a dog\ncat,a cat\ndog,a dog again", "line 4: 'dog' stands there twice"),
        ("dog,a dog\ncafé,a café", "line 3: 'café' cannot be printed: the font has no 'é'"),
        ("dog,a dog\n犬,a dog", "the font has no '犬'"),
    ],
)
def test_words_that_cannot_be_printed_or_compared_are_one_clear_line(
    tmp_path: Path, rows: str, fault: str
) -> None:
    path = tmp_path / "words.csv"
    path.write_text(f"word,text\n{rows}\n", encoding="utf-8")
    with pytest.raises(AtlasError, match=fault):
        read_words(path)


def test_a_pool_is_known_by_its_texts_and_properties() -> None:
    rows = [Description("a", "Colour"), Description("b", "colours"), Description("c")]
    record = pool_record("general", rows)
    assert (record.count, record.properties) == (3, 1)
    assert record.sha256 != pool_record("general", rows[:2]).sha256
    assert record.sha256 != pool_record("general", [*rows[:2], Description("c", "x")]).sha256


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Colors", "color"),
        ("Location.", "Locations"),
        ("Night-scenes.", "night scene"),
        ("Activities", "Activity"),
        ("Geographic locations", "geographic location"),
        ("Textures", "Texture"),
        ("dishes", "Dish"),
        ("Boxes", "box"),
        ("glasses", "Glass"),
        ("Buses", "bus"),
        ("Houses", "house"),
        ("people", "person"),
        ("Men's clothing", "man clothing"),
        ("Leaves", "leaf"),
        ("movies", "movie"),
        ("Series", "series"),
    ],
)
def test_labels_that_fold_alike(one: str, other: str) -> None:
    assert fold_label(one) == fold_label(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("colour", "colourful"),
        ("plan", "plane"),
        ("art", "artistic"),
        ("sea animals", "land animals"),
        ("class", "clas"),
    ],
)
def test_labels_that_stay_apart(one: str, other: str) -> None:
    assert fold_label(one) != fold_label(other)


@given(st.text())
def test_folding_ignores_case_and_outer_punctuation(text: str) -> None:
    assert fold_label(f" {text}. ") == fold_label(text)
