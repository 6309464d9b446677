"""Makes `sprites.zip` and `descriptions.csv` of `data/demo/` from two npm packages.

    npm install --prefix FOLDER @lobehub/fluent-emoji-3d@1.1.0 emojibase-data@17.0.0
    python -m clipheads.demo_world.world.make_sprites FOLDER/node_modules data/demo

Which emoji become objects, under which name and in which category, stands in the tables of
`data/demo/sprites/`, by emojibase's labels; the pictures are copied byte by byte.

| table | what it says |
| --- | --- |
| `subgroups.csv` | the category of each emojibase subgroup that is taken as a whole |
| `picked.csv` | objects of other subgroups, and objects of another category than their subgroup's |
| `left-out.csv` | labels that resemble another, or whose picture is unrecognisable in few pixels |
| `renamed.csv` | plain English for labels that do not read naturally |
"""

import csv
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_table
from clipheads.demo_world.world.captions import description_pool
from clipheads.demo_world.world.sprites import Sprites, picture_of

DOUBLE_BELOW = 0.12
"""Two pictures closer than this are doubles, see `_distance`; the first of them is taken."""


def read_pairs(table: str, key: str, value: str) -> dict[str, str]:
    """Read two columns of a table of `data/demo/sprites/` as a mapping.

    Raises:
        AtlasError: if the table cannot be read or lacks a column.
    """
    rows = read_table(data_file("demo", "sprites", table), (key, value))
    return {row.fields[key]: row.fields[value] for row in rows}


def read_left_out() -> set[str]:
    """Read the labels that never become objects."""
    rows = read_table(data_file("demo", "sprites", "left-out.csv"), ("label",))
    return {row.fields["label"] for row in rows}


def object_name(label: str, renamed: dict[str, str]) -> str:
    """Name an object by its emojibase label.

    >>> object_name("flag: Japan", {})
    'flag of Japan'
    """
    return renamed.get(label, label.replace("flag: ", "flag of ").replace("’", "'"))


def select_objects(emojibase: Path, pictures: Path) -> list[dict[str, str]]:
    """Choose the objects of the demo world.

    Args:
        emojibase: the folder of the npm package emojibase-data.
        pictures: the folder of WebP files that the picture package offers.

    Returns:
        One mapping of name, category and file per object, in emojibase's order.

    Raises:
        ValueError: a picked label is not in emojibase, or two objects share a name.
    """
    emoji = json.loads((emojibase / "en" / "data.json").read_text(encoding="utf-8"))
    subgroups = json.loads((emojibase / "meta" / "groups.json").read_text(encoding="utf-8"))
    files = {path.name for path in pictures.iterdir()}
    category_of = read_pairs("subgroups.csv", "subgroup", "category")
    picked = read_pairs("picked.csv", "label", "category")
    renamed = read_pairs("renamed.csv", "label", "name")
    left_out = read_left_out()
    objects = []
    taken = np.empty((0, 24 * 24 * 4), dtype=np.float32)
    for entry in emoji:
        label, file = entry["label"], f"{entry['hexcode'].lower()}.webp"
        if "subgroup" not in entry or file not in files or label in left_out:
            continue
        subgroup = subgroups["subgroups"][str(entry["subgroup"])]
        category = picked.pop(label, None) or category_of.get(subgroup)
        if not category:
            continue
        thumbnail = picture_of((pictures / file).read_bytes(), 24).reshape(1, -1)
        if len(taken) and _distance(taken, thumbnail).min() < DOUBLE_BELOW:
            continue
        taken = np.concatenate((taken, thumbnail))
        objects.append({"name": object_name(label, renamed), "category": category, "file": file})
    if picked:
        raise ValueError(f"not among the emoji with a picture: {', '.join(sorted(picked))}")
    names = [entry["name"] for entry in objects]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ValueError(f"several objects with one name: {', '.join(doubles)}")
    return objects


def _distance(taken: NDArray[np.float32], thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square difference of premultiplied RGBA thumbnails, [n, k] and [1, k] to [n]."""
    distance: NDArray[np.float32] = np.sqrt(np.square(taken - thumbnail).mean(axis=1))
    return distance


def make_sprites(node_modules: Path, out: Path) -> int:
    """Write the sprite file, always the same bytes, and return its number of objects."""
    folder = node_modules / "@lobehub" / "fluent-emoji-3d" / "assets"
    objects = select_objects(node_modules / "emojibase-data", folder)
    members = [("LICENSE.txt", data_file("demo", "sprites", "LICENSE.txt").read_bytes())]
    members.append(("objects.json", json.dumps(objects, ensure_ascii=False, indent=0).encode()))
    members += [(entry["file"], (folder / entry["file"]).read_bytes()) for entry in objects]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return len(objects)


def write_descriptions(sprites: Sprites, out: Path) -> None:
    """Write the description pool of the demo world as `text,property`."""
    with out.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("text", "property"))
        rows.writerows((entry.text, entry.property) for entry in description_pool(sprites))


if __name__ == "__main__":
    packages, folder = Path(sys.argv[1]), Path(sys.argv[2])
    count = make_sprites(packages, folder / "sprites.zip")
    write_descriptions(Sprites(folder / "sprites.zip"), folder / "descriptions.csv")
    print(f"{count} objects, {(folder / 'sprites.zip').stat().st_size / 1e6:.1f} MB")  # noqa: T201
