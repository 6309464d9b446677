"""The sprite file: enough objects of every kind, named once, with pictures that can be resized."""

import csv
import zipfile
from collections import Counter

import numpy as np
import pytest

from clipheads.bundle.disk.data_files import data_file
from clipheads.demo_world.world.captions import description_pool
from clipheads.demo_world.world.make_sprites import (
    DOUBLE_BELOW,
    object_name,
    read_left_out,
    read_pairs,
)
from clipheads.demo_world.world.sprites import default_sprites


def test_there_are_many_objects_of_many_kinds_and_at_least_30_flags() -> None:
    objects = default_sprites().objects
    kinds = Counter(item.category for item in objects)

    assert len(objects) >= 600
    assert len({item.name for item in objects}) == len(objects)
    assert len(kinds) >= 25
    assert kinds["flag"] >= 30


def test_no_two_pictures_are_doubles() -> None:
    sprites = default_sprites()
    pictures = np.stack([sprites.picture(i, 24).ravel() for i in range(len(sprites.objects))])
    squares = (pictures**2).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * pictures @ pictures.T
    np.fill_diagonal(distances, np.inf)

    assert np.sqrt(distances.min() / pictures.shape[1]) >= DOUBLE_BELOW - 0.001


def test_the_file_is_small_and_carries_its_licence() -> None:
    path = data_file("demo", "sprites.zip")
    with zipfile.ZipFile(path) as archive:
        licence = archive.read("LICENSE.txt").decode()

    assert path.stat().st_size <= 6_000_000
    assert "Microsoft" in licence
    assert "MIT License" in licence
    assert licence == data_file("demo", "sprites", "LICENSE.txt").read_text(encoding="utf-8")


def test_the_file_holds_what_the_tables_choose() -> None:
    """The tables made the file: all that they pick or rename is in it, nothing that they drop."""
    category_of = {item.name: item.category for item in default_sprites().objects}
    picked = read_pairs("picked.csv", "label", "category")
    renamed = read_pairs("renamed.csv", "label", "name")
    subgroups = read_pairs("subgroups.csv", "subgroup", "category")

    chosen = {object_name(label, renamed): category for label, category in picked.items()}
    assert chosen.items() <= category_of.items()
    assert set(renamed.values()) <= category_of.keys()
    assert set(category_of.values()) == {*subgroups.values(), *picked.values()}
    dropped = {object_name(label, {}) for label in read_left_out()} - {*renamed.values()}
    assert not dropped & category_of.keys()


@pytest.mark.parametrize("side", [16, 37, 128])
def test_a_picture_is_premultiplied_so_no_colour_exceeds_its_alpha(side: int) -> None:
    picture = default_sprites().picture(5, side)

    assert picture.shape == (side, side, 4)
    assert picture[..., 3].max() == pytest.approx(1, abs=0.01)
    # Lanczos rings by a few per cent at hard edges.
    assert (picture[..., :3] <= picture[..., 3:] + 0.08).all()


def test_resizing_keeps_the_mean_opacity() -> None:
    large, small = default_sprites().picture(11, 256), default_sprites().picture(11, 32)

    assert np.allclose(large.mean(axis=(0, 1)), small.mean(axis=(0, 1)), atol=0.01)


def test_the_committed_descriptions_are_what_can_be_said_of_the_committed_objects() -> None:
    with data_file("demo", "descriptions.csv").open(encoding="utf-8") as file:
        rows = [(row["text"], row["property"]) for row in csv.DictReader(file)]

    assert rows == [(entry.text, entry.property) for entry in description_pool(default_sprites())]
