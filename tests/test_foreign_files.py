"""A build leaves alone what it has not made, and what another run is making."""

import shutil
from pathlib import Path

import pytest
from tiny_builds import (
    STAGES,
    build,
    built_stages,
    bytes_of,
)

from clipheads.bundle.disk.locking import locked
from clipheads.bundle.errors import AtlasError


def test_a_build_never_deletes_a_foreign_gallery(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    shutil.copytree(inputs / "photos", folder / "gallery")
    before = bytes_of(folder)
    with pytest.raises(AtlasError, match=r"an image of the gallery lies in .*gallery, where"):
        build(inputs, folder, gallery=folder / "gallery")
    manifest = folder / "photos.csv"
    manifest.write_text("file\ngallery/picture-00.png\n")
    with pytest.raises(AtlasError, match=r"an image of the gallery lies in .*gallery, where"):
        build(inputs, folder, gallery=manifest)
    manifest.unlink()
    assert bytes_of(folder) == before


def test_foreign_files_in_an_atlas_stay(inputs: Path, tmp_path: Path) -> None:
    atlas = tmp_path / "atlas"
    foreign = {
        "gallery/holiday.jpg": b"mine",
        "gallery/sub/thesis.docx": b"mine too",
        "tiny/heads/notes.txt": b"on heads",
        "tiny/search/index.html": b"a search",
        "tiny/.contributions-2024/notes": b"hidden",
        ".gallery.partial/notes": b"hidden too",
    }
    for name, content in foreign.items():
        (atlas / name).parent.mkdir(parents=True, exist_ok=True)
        (atlas / name).write_bytes(content)
    build(inputs, atlas)
    (tmp_path / "photos").mkdir()
    shutil.copy(inputs / "photos/picture-00.png", tmp_path / "photos")
    build(inputs, atlas, gallery=tmp_path / "photos", layers="last4")
    assert len(list((atlas / "gallery").glob("*.webp"))) == 1
    assert len(list((atlas / "tiny/heads").glob("*.json"))) == 8
    after = bytes_of(atlas)
    assert {name: after[name] for name in foreign} == foreign


@pytest.mark.parametrize(
    "name",
    [
        "gallery/picture-03.webp",
        "gallery/manifest.json",
        "tiny/model.json",
        "tiny/heads/L2.H1.json",
        "tiny/search/search.json",
        "stages.json",
        "tiny/stages.json",
    ],
)
def test_a_foreign_file_in_the_way_is_one_line_before_anything_is_computed(
    inputs: Path, tmp_path: Path, name: str
) -> None:
    atlas = tmp_path / "atlas"
    (atlas / name).parent.mkdir(parents=True)
    (atlas / name).write_text("mine")
    with pytest.raises(AtlasError, match="not made by head-atlas"):
        build(inputs, atlas)
    after = {path: content for path, content in bytes_of(atlas).items() if path[0] != "."}
    assert after == {name: b"mine"}


def test_a_second_build_in_the_same_atlas_is_refused(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "atlas").mkdir()
    with (
        locked(tmp_path / "atlas"),
        pytest.raises(AtlasError, match="in use by another run of head-atlas"),
    ):
        build(inputs, tmp_path / "atlas")
    assert built_stages(build(inputs, tmp_path / "atlas")) == STAGES
