"""The same images are the same gallery in a folder, by a manifest, and inside tar shards."""

import json
import os
from pathlib import Path

import pytest
import torch
from checkpoints import tiny_config, write_local_dir
from PIL import Image
from safetensors.torch import load_file
from shard_files import images_of, pack

from clipheads.bundle.errors import GalleryError
from clipheads.gallery.files import gallery_title, list_gallery
from clipheads.gallery.image_ids import image_id
from clipheads.gallery.pictures import write_gallery
from clipheads.stages.build import build_model


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_manifest_gives_order_titles_and_credits(tmp_path: Path, photos: Path, kind: str) -> None:
    rows = [
        {"file": "photos/cat.png", "title": "A cat, asleep", "credit": "Ann", "licence": "CC0"},
        {"file": "./photos/ant.png", "source": "https://example.org/ant", "width": "50"},
        {"file": "photos/gone.png"},
    ]
    manifest = tmp_path / f"my_photos.{kind}"
    if kind == "csv":
        lines = [
            'photos/cat.png,"A cat, asleep",Ann,CC0,',
            "./photos/ant.png,,,,https://example.org/ant",
        ]
        lines = ["file,title,credit,licence,source", *lines, "photos/gone.png,,,,"]
        manifest.write_text("\ufeff" + "\n".join(lines))
    else:
        manifest.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")

    files, absent = list_gallery(manifest)

    assert [file.id for file in files] == ["photos--cat", "photos--ant"]
    assert (files[0].title, files[0].credit, files[0].licence) == ("A cat, asleep", "Ann", "CC0")
    assert (files[1].title, files[1].source) == ("Ant", "https://example.org/ant")
    assert [entry.file for entry in absent] == ["photos/gone.png"]
    assert gallery_title(manifest) == "My photos"


def test_a_manifest_may_point_elsewhere_but_nothing_is_written_there(
    tmp_path: Path, photos: Path
) -> None:
    manifest = tmp_path / "deep" / "m.csv"
    manifest.parent.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("a text, not an image")
    manifest.write_text("file\n../photos/ant.png\n../secret\n")
    before = set(tmp_path.rglob("*"))
    files, _ = list_gallery(manifest)

    shown = write_gallery(files, tmp_path / "out", title="Test")

    (image,) = shown.images
    assert image.id == image_id("../photos/ant.png")
    assert [(entry.file, "not an image" in entry.reason) for entry in shown.skipped] == [
        ("../secret", True)
    ]
    new = set(tmp_path.rglob("*")) - before
    out = tmp_path / "out"
    assert new == {out, out / "manifest.json", out / f"{image.id}.webp"}


def test_text_that_json_cannot_hold_or_a_file_cannot_be_named_stops_nothing(
    tmp_path: Path, photos: Path
) -> None:
    manifest = tmp_path / "m.jsonl"
    rows = [
        {"file": "photos/ant.png", "title": "one\u2028ant"},
        {"file": "photos/bee.png", "title": "half a pair \ud800"},
        {"file": "\ud800.png"},
        {"file": "x" * 5000},
    ]
    lines = [json.dumps(rows[0], ensure_ascii=False), *map(json.dumps, rows[1:])]
    manifest.write_text("\r\n".join(lines), encoding="utf-8", newline="")
    files, absent = list_gallery(manifest)

    shown = write_gallery(files, tmp_path / "out", title="Test", skipped=absent)

    assert [image.title for image in shown.images] == ["one\u2028ant", "half a pair ?"]
    assert [entry.file for entry in shown.skipped] == ["\\ud800.png", "x" * 5000]


def test_names_in_any_script_get_ids_of_their_own(tmp_path: Path, photos: Path) -> None:
    data = images_of(photos)["ant.png"]
    shard = pack(tmp_path / "s.tar", {"猫.png": data, "犬.png": data, "caf\u00e9.png": data})
    files, _ = list_gallery(shard)
    assert [file.title for file in files] == ["猫", "犬", "Caf\u00e9"]
    assert len({file.id for file in files}) == 3
    assert all(file.id.isascii() for file in files)


BAD = {
    "no column": ("m.csv", "name,title\na.png,A\n", "must name the column file"),
    "twice": ("m.csv", "file\na.png\n./a.png\n", "line 3: 'a.png' is listed twice"),
    "nothing listed": ("m.csv", "file\n", "no image files there"),
    "empty csv": ("m.csv", "", "must name the column file"),
    "empty jsonl": ("m.jsonl", "", "no image files there"),
    "all absent": ("m.csv", "file\ngone.png\n", r"none of the 1 images .* gone\.png: named in"),
    "no csv": ("m.csv", "file,title\na.png," + "x" * 200_000, "line 2: no valid CSV"),
    "broken line": ("m.jsonl", '{"file": "a.png"}\n{"file"\n', "line 2: no valid JSON"),
    "nested deeply": ("m.jsonl", "[" * 200_000, "line 1: no valid JSON"),
    "no file": ("m.jsonl", '{"title": "A"}\n', "line 1: not an object with the name"),
    "blank name": ("m.jsonl", '{"file": " "}\n', "line 1: no name of a file"),
    "no tar": ("m.tar", "not a tar", "cannot be read as a tar file"),
    "empty tar": ("m.tar", "", "cannot be read as a tar file"),
    "tar.gz": ("m.tar.gz", "x", "no gallery; one is"),
    "other": ("m.pdf", "%PDF", "no gallery; one is"),
}


@pytest.mark.parametrize(("name", "text", "line"), BAD.values(), ids=BAD)
def test_a_bad_gallery_is_one_line_that_says_where(
    tmp_path: Path, name: str, text: str, line: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(GalleryError, match=line) as caught:
        list_gallery(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_build_is_the_same_from_all_three(tmp_path: Path, photos: Path) -> None:
    write_local_dir(tmp_path / "tiny", tiny_config())
    (tmp_path / "pool.csv").write_text("text,property\na cat,animals\na dog,animals\n")
    manifest = tmp_path / "m.csv"
    manifest.write_text("file\n" + "\n".join(f"photos/{name}" for name in images_of(photos)))
    shard = pack(tmp_path / "s.tar", images_of(photos))

    found = []
    for number, gallery in enumerate((photos, manifest, shard)):
        report = build_model(
            f"local-dir:{tmp_path / 'tiny'}",
            gallery=gallery,
            atlas=tmp_path / str(number),
            descriptions=tmp_path / "pool.csv",
            device="cpu",
        )
        found.append(load_file(report.folder / "coordinates.safetensors")["coordinates"])

    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_pipe_with_the_name_of_an_image_is_not_waited_for(photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    (photos / "broken.png").symlink_to(photos / "nowhere.png")

    files, absent = list_gallery(photos)

    assert [file.file for file in files] == ["ant.png", "bee.png", "cat.png"]
    assert [(entry.file, entry.reason) for entry in absent] == [
        ("broken.png", "a link that leads nowhere"),
        ("pipe.png", "not a regular file"),
    ]


def test_names_that_are_no_utf_8_are_images_of_their_own(tmp_path: Path, photos: Path) -> None:
    data = images_of(photos)["ant.png"]
    names = [os.fsdecode(name) for name in (b"\xff.png", b"\xfe.png")]
    for name in names:
        (photos / name).write_bytes(data)
    shard = pack(tmp_path / "s.tar", dict.fromkeys(names, data))

    in_folder, _ = list_gallery(photos)
    in_shard, _ = list_gallery(shard)
    shown = write_gallery(in_folder, tmp_path / "out", title="Test")

    assert [file.file for file in in_folder][3:] == ["\\xfe.png", "\\xff.png"]
    assert {file.id for file in in_shard} == {file.id for file in in_folder[3:]}
    assert len({image.id for image in shown.images}) == 5


def test_a_folder_that_cannot_be_read_is_named(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "locked").mkdir()
    Image.new("RGB", (4, 4)).save(photos / "locked" / "z.png")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    files, absent = list_gallery(photos)

    assert len(files) == 3
    assert [(entry.file, entry.reason) for entry in absent] == [
        ("locked", "a folder that cannot be read (Permission denied)")
    ]


def test_a_link_to_a_folder_is_named(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "more").mkdir()
    (photos / "more").symlink_to(tmp_path / "more")
    _, absent = list_gallery(photos)
    assert [(entry.file, entry.reason) for entry in absent] == [
        ("more", "a link to a folder, which is not followed")
    ]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".head-atlas.json", "{}"),
        ("stages.json", '{"program": "clip-head-atlas", "made": {}}'),
    ],
)
def test_a_site_or_an_atlas_in_a_gallery_is_not_taken_for_its_images(
    photos: Path, file: str, content: str
) -> None:
    (photos / "site" / "images").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(photos / "site" / "images" / "ant.webp")
    (photos / "site" / file).write_text(content)

    files, absent = list_gallery(photos)

    assert [file.file for file in files] == ["ant.png", "bee.png", "cat.png"]
    assert [entry.file for entry in absent] == ["site"]
    assert "head-atlas made" in absent[0].reason
    assert len(list_gallery(photos / "site")[0]) == 1


def test_a_file_above_a_gigabyte_is_no_image(photos: Path) -> None:
    with (photos / "huge.png").open("wb") as file:
        file.truncate(2**31)
    files, absent = list_gallery(photos)
    assert len(files) == 3
    assert absent[0].reason == "2147483648 bytes are more than the 1024 MiB that are read"


def test_a_gallery_that_cannot_be_looked_for_is_one_line(photos: Path) -> None:
    with pytest.raises(GalleryError, match="File name too long"):
        list_gallery(Path("x" * 300))
    os.mkfifo(photos / "gallery.csv")
    with pytest.raises(GalleryError, match="not a regular file"):
        list_gallery(photos)
