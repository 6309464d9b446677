"""Images in tar shards are read where they lie, with what is said beside them."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from shard_files import images_of, pack

from clipheads.bundle.errors import GalleryError
from clipheads.gallery.files import list_gallery
from clipheads.gallery.pictures import open_image, write_gallery
from clipheads.gallery.tar_shards import shards_of


def test_a_shard_is_read_where_it_lies_with_what_is_said_beside_an_image(
    tmp_path: Path, photos: Path
) -> None:
    said = {"caption": "A bee", "license": "CC0", "url": "https://example.org/bee", "credit": None}
    shard = pack(
        tmp_path / "s.tar",
        {
            "0/ant.png": images_of(photos)["ant.png"],
            "0/ant.txt": b"An ant,\non a leaf\n",
            "0/bee.png": images_of(photos)["bee.png"],
            "0/bee.json": json.dumps(said).encode(),
            "0/bee.cls": b"7",
            "0/lonely.txt": b"no image of this key",
        },
    )

    files, absent = list_gallery(shard)

    assert [(file.id, file.title) for file in files] == [
        ("0--ant", "An ant, on a leaf"),
        ("0--bee", "A bee"),
    ]
    assert (files[1].licence, files[1].source) == ("CC0", "https://example.org/bee")
    assert (files[1].credit, absent) == ("", [])
    for file, name in zip(files, ("ant", "bee"), strict=True):
        original = open_image(photos / f"{name}.png")
        assert np.array_equal(np.asarray(open_image(file.path)), np.asarray(original))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "s.tar"]


def test_a_range_of_shards_is_one_gallery_and_so_is_a_folder_of_them(
    tmp_path: Path, photos: Path
) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number, (name, data) in enumerate(images_of(photos).items()):
        pack(folder / f"s-{number:02d}.tar", {name: data})

    by_range, _ = list_gallery(folder / "s-{00..02}.tar")
    by_folder, _ = list_gallery(folder)

    assert [file.id for file in by_range] == ["s-00-tar--ant", "s-01-tar--bee", "s-02-tar--cat"]
    assert by_range == by_folder
    with pytest.raises(GalleryError, match=r"s-03\.tar: no such shard"):
        list_gallery(folder / "s-{00..03}.tar")
    with pytest.raises(GalleryError, match="runs backwards"):
        shards_of(Path("s-{3..1}.tar"))
    assert len(shards_of(Path("{0..1}-{00..04}.tar"))) == 10


def test_names_that_climb_out_of_a_shard_write_nothing_outside(
    tmp_path: Path, photos: Path
) -> None:
    data = images_of(photos)["ant.png"]
    shard = pack(tmp_path / "s.tar", {"../../evil.png": data, "/root/x.png": data})
    files, _ = list_gallery(shard)

    write_gallery(files, tmp_path / "out", title="Test")

    written = sorted(path.name.split("--")[0] for path in (tmp_path / "out").iterdir())
    assert written == ["evil", "manifest.json", "root-x"]
    assert not list(tmp_path.rglob("evil.png"))


@pytest.mark.parametrize("damage", ["header overwritten", "cut in a header", "cut in an image"])
def test_a_damaged_shard_is_refused_not_read_in_part(
    tmp_path: Path, photos: Path, damage: str
) -> None:
    shard = pack(tmp_path / "s.tar", images_of(photos))
    with tarfile.open(shard) as tar:
        last = tar.getmembers()[-1]
    data = bytearray(shard.read_bytes())
    if damage == "header overwritten":
        data[last.offset : last.offset_data] = b"\xff" * tarfile.BLOCKSIZE
    elif damage == "cut in a header":
        del data[last.offset + 100 :]
    else:
        del data[last.offset_data + 100 :]
    shard.write_bytes(data)
    with pytest.raises(GalleryError, match=r"s\.tar: (damaged at byte|cannot be read)"):
        list_gallery(shard)


def test_links_in_a_shard_are_named_and_lead_nowhere(tmp_path: Path, photos: Path) -> None:
    shard = pack(tmp_path / "s.tar", {"ant.png": images_of(photos)["ant.png"]})
    with tarfile.open(shard, "a") as tar:
        for name, kind in (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, str(photos / "bee.png")
            tar.addfile(entry)
    files, absent = list_gallery(shard)
    assert [file.file for file in files] == ["ant.png"]
    assert [(entry.file, entry.reason.split()[1]) for entry in absent] == [
        ("soft.png", "link"),
        ("hard.png", "link"),
    ]


def test_images_of_one_sample_share_what_is_said_beside_them(tmp_path: Path, photos: Path) -> None:
    data = images_of(photos)
    shard = pack(
        tmp_path / "s.tar",
        {"0.png": data["ant.png"], "0.mask.png": data["bee.png"], "0.json": b'{"credit": "Ann"}'},
    )
    files, _ = list_gallery(shard)
    assert [file.credit for file in files] == ["Ann", "Ann"]


def test_the_listing_of_a_folder_may_name_what_lies_in_a_shard(
    tmp_path: Path, photos: Path
) -> None:
    beside = b'{"title": "From the shard"}'
    pack(photos / "s.tar", {"a.png": images_of(photos)["ant.png"], "a.json": beside})
    (photos / "gallery.csv").write_text("file,title\ns.tar/a.png,From the listing\n")
    files, absent = list_gallery(photos)
    assert {file.file: file.title for file in files}["s.tar/a.png"] == "From the listing"
    assert absent == []


def test_a_damaged_member_is_skipped_and_named(tmp_path: Path, photos: Path) -> None:
    data = images_of(photos)["ant.png"]
    shard = pack(tmp_path / "s.tar", {"a.png": data, "b.png": data[:200], "c.png": b"text"})
    files, _ = list_gallery(shard)

    manifest = write_gallery(files, tmp_path / "out", title="Test")

    assert [image.id for image in manifest.images] == ["a"]
    assert {entry.file for entry in manifest.skipped} == {"b.png", "c.png"}
    assert all("/" not in entry.reason for entry in manifest.skipped)


def test_a_compressed_shard_is_refused_with_the_remedy(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "s.tar").write_bytes(gzip.compress(b"x" * 2000))
    with pytest.raises(GalleryError, match="compressed; unpack it with gunzip"):
        list_gallery(tmp_path / "s.tar")
