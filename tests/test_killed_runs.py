"""Whatever kills a build or a relabelling, running it again gives the same bytes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from checkpoints import tiny_config, write_local_dir
from dying import Changes, Killed, count_changes, watched
from PIL import Image

from clipheads.bundle.errors import AtlasError
from clipheads.labels.from_file import labeller_from_file
from clipheads.stages.build import build_model
from clipheads.stages.label import bundle_folders, relabel

FOREIGN = {"gallery/holiday.jpg": b"mine", "tiny/heads/thesis.docx": b"mine too"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_local_dir(folder / "tiny", tiny_config(layers=2))
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    (folder / "pool.csv").write_text(
        "text,property\na cat,animals\na dog,animals\nred,colours\nblue,colours\n"
    )
    (folder / "labels.csv").write_text("head,label\nL1.H1,shape\nL0.H0,texture\n")
    (folder / "contrasts.csv").write_text("first,second\na cat,a dog\n")
    return folder


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    atlas = tmp_path_factory.mktemp("whole") / "atlas"
    put_foreign_files(atlas)
    build(inputs, atlas)
    return atlas


def put_foreign_files(atlas: Path) -> None:
    for name, content in FOREIGN.items():
        (atlas / name).parent.mkdir(parents=True, exist_ok=True)
        (atlas / name).write_bytes(content)


def build(inputs: Path, atlas: Path) -> None:
    build_model(
        f"local-dir:{inputs / 'tiny'}",
        gallery=inputs / "photos",
        atlas=atlas,
        descriptions=inputs / "pool.csv",
        topics=inputs / "pool.csv",
        contrasts=inputs / "contrasts.csv",
        profile=0,
        device="cpu",
    )


def label(inputs: Path, atlas: Path) -> None:
    for folder in bundle_folders(atlas, []):
        relabel(folder, labeller_from_file(inputs / "labels.csv"))


def bytes_of(atlas: Path) -> dict[str, bytes]:
    return {
        path.relative_to(atlas).as_posix(): path.read_bytes()
        for path in sorted(atlas.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("full_disk", [False, True], ids=["killed", "full disk"])
def test_a_build_that_ends_early_again_and_again_gives_the_same_bytes(
    inputs: Path, whole: Path, tmp_path: Path, full_disk: bool
) -> None:
    atlas = tmp_path / "atlas"
    put_foreign_files(atlas)
    ended = 0
    # Each run comes a little further than the one before it, so that the ends lie everywhere.
    for at in range(4, 500, 9):
        try:
            with watched(Changes(at, full_disk=full_disk)):
                build(inputs, atlas)
        except (Killed, OSError, AtlasError):
            ended += 1
        else:
            break
        for name, content in FOREIGN.items():
            assert (atlas / name).read_bytes() == content
    assert ended >= 6
    build(inputs, atlas)
    assert bytes_of(atlas) == bytes_of(whole)


def test_a_build_over_another_that_is_killed_anywhere_gives_the_same_bytes(
    inputs: Path, whole: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in inputs.iterdir():
        (other / path.name).symlink_to(path)
    (other / "photos").unlink()
    shutil.copytree(inputs / "photos", other / "photos")
    (other / "photos" / "1.png").unlink()
    atlas = tmp_path / "atlas"
    shutil.copytree(whole, atlas)
    for at in (15, 60, 110):
        build(other, atlas)
        with watched(Changes(at)), pytest.raises(Killed):
            build(inputs, atlas)
    build(inputs, atlas)
    assert bytes_of(atlas) == bytes_of(whole)


def test_labels_are_all_old_or_all_new_wherever_the_run_is_killed(
    inputs: Path, whole: Path, tmp_path: Path
) -> None:
    labelled = tmp_path / "labelled"
    shutil.copytree(whole, labelled)
    total = count_changes(lambda: label(inputs, labelled))
    new = bytes_of(labelled)
    seal = "tiny/model.json"
    for at in range(1, total + 1):
        atlas = tmp_path / f"killed-{at}"
        shutil.copytree(whole, atlas)
        with watched(Changes(at)), pytest.raises(Killed):
            label(inputs, atlas)
        left = bytes_of(atlas)
        if seal in left:
            records = {name for name in left if name.startswith("tiny/heads/")} | {seal}
            before = bytes_of(whole)
            assert {name: left[name] for name in records} in (
                {name: before[name] for name in records},
                {name: new[name] for name in records},
            )
        label(inputs, atlas)
        assert bytes_of(atlas) == new
        shutil.rmtree(atlas)


def test_a_full_disk_takes_no_label(inputs: Path, whole: Path, tmp_path: Path) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(whole, atlas)
    labelled = tmp_path / "labelled"
    shutil.copytree(whole, labelled)
    total = count_changes(lambda: label(inputs, labelled))
    ended = 0
    for at in range(1, total, 5):
        try:
            with watched(Changes(at, full_disk=True)):
                label(inputs, atlas)
        except (OSError, AtlasError):
            ended += 1
    assert ended >= 3
    label(inputs, atlas)
    assert bytes_of(atlas) == bytes_of(labelled)
