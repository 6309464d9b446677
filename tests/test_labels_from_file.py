"""Labels from a file: what it says, what it leaves out, and what is wrong with it."""

from pathlib import Path

import pytest

from clipheads.bundle.errors import AtlasError
from clipheads.bundle.pool import PoolRecord
from clipheads.labels.from_file import labeller_from_file
from clipheads.texts.pools import Description

HEADS = {
    "L0.H0": [
        Description("red", "colours"),
        Description("a cat", "animals"),
        Description("blood", "crimson"),
    ],
    "L0.H1": [Description("a dog", "animals")],
    "L1.H0": [],
}
CSV = "head,label,reason\nL0.H0,Colour,I looked\nL1.H0,,nothing to see\n"


def bundle(folder: Path) -> Path:
    """A bundle that has what the labels of a file need: the taxonomy of its pool."""
    folder = folder / "bundle"
    folder.mkdir()
    record = PoolRecord(texts=[], parents={"crimson": "colour"})
    (folder / "pool.json").write_text(record.model_dump_json())
    return folder


def test_a_csv_gives_labels_and_reasons_and_the_rest_is_unlabelled(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(CSV)

    found = labeller_from_file(tmp_path / "mine.csv")(HEADS, bundle(tmp_path))

    assert [label.text for label in found.labels.values()] == ["Colour", None, None]
    assert list(found.labels) == list(HEADS)
    assert found.labels["L0.H0"].reason == "I looked"
    assert found.labels["L0.H1"].reason == "mine.csv does not name this head."
    assert found.labels["L1.H0"].reason == "nothing to see"
    assert found.matching == {"L0.H0": [True, False, True], "L0.H1": [False], "L1.H0": []}
    assert found.labeller.kind == "imported"
    assert "mine.csv" in found.labeller.method


def test_a_json_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"L0.H0": "Colour", "L1.H0": null}')

    found = labeller_from_file(tmp_path / "mine.json")(HEADS, bundle(tmp_path))

    assert [label.text for label in found.labels.values()] == ["Colour", None, None]
    assert found.labels["L1.H0"].reason == "mine.json leaves it blank."


def test_a_null_means_no_label(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"L0.H0": null}')

    found = labeller_from_file(tmp_path / "mine.json")(HEADS, bundle(tmp_path))

    assert [label.text for label in found.labels.values()] == [None, None, None]
    assert found.labels["L0.H0"].reason == "mine.json leaves it blank."
    assert found.matching == {"L0.H0": [False, False, False], "L0.H1": [False], "L1.H0": []}


BAD = {
    "absent": ("x.csv", None, "no such file"),
    "columns": ("x.csv", "name,label\nL0.H0,a\n", "must name the columns head,label"),
    "comma": ("x.csv", "head,label\nL0.H0,a,b\n", "line 2: more fields than columns"),
    "long field": ("x.csv", f"head,label\nL0.H0,{'x' * 200_000}\n", "line 2: no valid CSV"),
    "no row": ("x.csv", "head,label\n", "no label in it"),
    "unknown head": ("x.csv", "head,label\nL9.H0,a\n", "line 2: no head 'L9.H0'"),
    "twice": ("x.csv", "head,label\nL0.H0,a\nL0.H0,b\n", "line 3: L0.H0 is labelled twice"),
    "twice in json": ("x.json", '{"L0.H0": "a", "L0.H0": "b"}', "'L0.H0' stands twice"),
    "no json": ("x.json", "{", "no valid JSON"),
    "nested deeply": ("x.json", "[" * 100_000, "no valid JSON"),
    "empty list": ("x.json", "[]", "not a map from heads to labels"),
    "empty map": ("x.json", "{}", "no label in it"),
    "half a surrogate": ("x.json", '{"L0.H0": "a\\ud800b"}', "label of L0.H0 is no valid Unicode"),
    "list": ("x.json", '["L0.H0"]', "not a map from heads to labels"),
    "number": ("x.json", '{"L0.H0": 3}', "not a map from heads to labels"),
}


@pytest.mark.parametrize(("name", "text", "line"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_line(tmp_path: Path, name: str, text: str | None, line: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(AtlasError, match=line) as caught:
        labeller_from_file(tmp_path / name)(HEADS, bundle(tmp_path))
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)
