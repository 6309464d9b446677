"""Files that somebody else wrote are read, or refused in one line that says what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from clipheads.bundle.disk.record_files import (
    parse_json,
    read_json,
    read_record,
    read_table,
    read_text,
    write_record,
)
from clipheads.bundle.errors import AtlasError, BundleError


class Point(BaseModel):
    """A record like those of a bundle."""

    model_config = ConfigDict(extra="forbid")

    x: float
    names: list[str] = []


def test_a_table_gives_each_row_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('\ufefftext, property\n"a, b",c\n\nd\n"e\nf",g,,\n', encoding="utf-8")

    rows = read_table(file, ("text", "property"))

    assert rows == [
        (2, {"text": "a, b", "property": "c"}),
        (4, {"text": "d", "property": ""}),
        (6, {"text": "e\nf", "property": "g"}),
    ]


BAD_TABLES = {
    "column missing": ("text\na\n", "the first line must name the columns text,property"),
    "empty": ("", "the first line must name the columns text,property"),
    "column twice": ("text,property,text\na,b,c\n", "names a column twice"),
    "comma": ("text,property\na,b\nc,d,e\n", "line 3: more fields than columns; put a text"),
    "field limit": (f"text,property\na,{'x' * 200_000}\n", "line 2: no valid CSV .*field limit"),
    "open quote": ('text,property\n"a,b\nc,d\n', "line 2: no valid CSV .*unexpected end"),
}


@pytest.mark.parametrize(("text", "line"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_one_line_that_says_where(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(BundleError, match=line) as caught:
        read_table(file, ("text", "property"), error=BundleError)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "EOF while parsing"),
        ("[" * 100_000, "recursion limit"),
        ('{"x": "a"}', "x: Input should be a valid number"),
        ('{"x": 1, "names": ["a", 2]}', "names: 1: Input should be a valid string"),
        ('{"x": 1, "y": 2}', "y: Extra inputs are not permitted"),
        ('{"x": 1, "names": ["\\ud800"]}', "lone leading surrogate|unexpected end of hex"),
    ],
)
def test_a_damaged_record_is_one_line_with_the_remedy(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(text)
    with pytest.raises(AtlasError, match=line) as caught:
        read_record(file, Point, remedy="build it again")
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).endswith("; build it again")
    assert "\n" not in str(caught.value)


def test_json_that_is_nested_deeply_or_of_endless_digits_is_one_line(tmp_path: Path) -> None:
    for number, text in enumerate(("[" * 100_000, '{"a":' * 100_000, "1" * 10_000, "[1,")):
        file = tmp_path / f"{number}.json"
        file.write_text(text)
        with pytest.raises(AtlasError, match="no valid JSON") as caught:
            read_json(file)
        assert len(str(caught.value)) < 500


def test_files_that_cannot_be_opened_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / ("x" * 300), tmp_path / "gone", tmp_path / "nul\0"):
        for read in (read_text, read_json, lambda file: read_record(file, Point)):
            with pytest.raises(AtlasError, match=r"(no such file|cannot be read \(.+\))"):
                read(path)
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(AtlasError, match=r"not UTF-8 text \(byte 3\)"):
        read_text(tmp_path / "latin")


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60) | st.text('",\n\r\0ab', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(content)
    for line in (
        refusal(lambda: read_table(file, ("a",))),
        refusal(lambda: read_json(file)),
        refusal(lambda: read_record(file, Point)),
    ):
        assert len(line.splitlines()) <= 1


def refusal(read: Callable[[], object]) -> str:
    """Return what is said against a file; nothing if it is read."""
    try:
        read()
    except AtlasError as error:
        return str(error)
    return ""


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=9))
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert parse_json(json.dumps(value), "here") == value


def test_a_record_is_read_as_it_was_written_with_a_line_for_each_field(tmp_path: Path) -> None:
    file = tmp_path / "point.json"
    point = Point(x=0.1, names=["é", "日本"])
    write_record(file, point)
    assert read_record(file, Point) == point
    lines = file.read_bytes().decode().splitlines(keepends=True)
    assert lines[:3] == ["{\n", ' "x": 0.1,\n', ' "names": [\n']
    assert lines[-1] == "}\n"
