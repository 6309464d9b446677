"""Which property is part of a wider one, and what is wrong with a file that says so."""

from pathlib import Path

import pytest

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.texts.pools import read_descriptions
from clipheads.texts.taxonomy import lineage, read_taxonomy


def write(folder: Path, *lines: str) -> Path:
    pool = folder / "mine.csv"
    (folder / "mine.properties.csv").write_text("\n".join(["property,parent", *lines]) + "\n")
    return pool


def test_a_pool_without_a_file_beside_it_has_no_wider_properties(tmp_path: Path) -> None:
    assert read_taxonomy(tmp_path / "mine.csv") == {}
    assert lineage("Colours", {}) == ["colour"]


def test_names_are_folded_as_labels_are(tmp_path: Path) -> None:
    parents = read_taxonomy(write(tmp_path, "Birds,Animals", "animal,object"))

    assert lineage("bird", parents) == ["bird", "animal", "object"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["bird,animal", "birds,vehicle"], "line 3: 'birds' has two parents"),
        (["bird,animal", "animal,thing", "thing,birds"], "is part of itself"),
        (["bird,bird"], "is part of itself"),
        (["bird,"], "line 2: a line names both"),
    ],
)
def test_what_is_no_taxonomy_is_one_clear_line(
    tmp_path: Path, lines: list[str], reason: str
) -> None:
    with pytest.raises(AtlasError, match=reason):
        read_taxonomy(write(tmp_path, *lines))


def test_the_same_line_twice_is_no_harm(tmp_path: Path) -> None:
    assert read_taxonomy(write(tmp_path, "bird,animal", "Birds,animals"))["bird"] == "animal"


@pytest.mark.parametrize("pool", ["descriptions/general.csv", "demo/descriptions.csv"])
def test_our_taxonomies_speak_of_properties_that_their_pools_have(pool: str) -> None:
    file = data_file(*pool.split("/"))
    parents = read_taxonomy(file)
    used = {fold_label(row.property) for row in read_descriptions(file) if row.property}
    inner = {fold_label(parent) for parent in parents.values()}

    assert parents
    assert set(parents) <= used | inner
    assert inner <= {name for leaf in used for name in lineage(leaf, parents)}
