"""The most similar heads of each head, in its model and in the other models of an atlas."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import tiny_config, write_local_dir
from command_line import head_atlas
from dying import Changes, Killed, count_changes, watched
from PIL import Image
from torch import Tensor

from clipheads.bundle.disk.owned_files import adopt, discard, read_list
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.pool import PickRecord, PoolRecord, PoolText, TextSpanRecord
from clipheads.bundle.progress import Silent
from clipheads.bundle.relatives import OtherRelativesRecord
from clipheads.maths.similarity import linear_cka
from clipheads.stages import relatives as relatives_stage
from clipheads.stages.build import build_model
from clipheads.stages.relatives import ComparedHeads, compared_heads, relatives_of
from clipheads.stages.relatives_across import relate_models
from headatlas.atlas_reader import read_atlas

POOL = PoolRecord(
    texts=[
        PoolText(text="red", property="Colours"),
        PoolText(text="blue", property="colour"),
        PoolText(text="a cat", property="Animals"),
        PoolText(text="one of no property", property=None),
    ],
    parents={},
)


def planted(picks: dict[str, list[tuple[int, float]]], coordinates: Tensor) -> ComparedHeads:
    return compared_heads(
        coordinates,
        TextSpanRecord(
            {
                head: [PickRecord(index=index, share=share) for index, share in own]
                for head, own in picks.items()
            }
        ),
        POOL,
    )


@pytest.fixture
def heads() -> ComparedHeads:
    """L0.H2 is L0.H0 turned and scaled; L0.H1 has its descriptions, and L0.H3 none."""
    draw = torch.Generator().manual_seed(0)
    coordinates = torch.randn(40, 4, 3, generator=draw)
    coordinates[:, 2] = 2 * coordinates[:, 0].roll(1, dims=-1)
    picks = {
        "L0.H0": [(0, 0.3), (2, 0.1)],
        "L0.H1": [(0, 0.2), (2, 0.2)],
        "L0.H2": [(1, 0.1), (3, 0.1)],
        "L0.H3": [],
    }
    return planted(picks, coordinates)


def test_a_copied_head_is_the_first_relative_with_cka_1_whatever_describes_it(
    heads: ComparedHeads,
) -> None:
    found = relatives_of(heads, heads, linear_cka(heads.kernels, heads.kernels))
    for head, copy in (("L0.H0", "L0.H2"), ("L0.H2", "L0.H0")):
        first = found[head].by_cka[0]
        assert (first.head, first.cka) == (copy, pytest.approx(1, abs=1e-5))
        assert first.shared == []
    assert [one.head for one in found["L0.H1"].by_cka].count("L0.H1") == 0


def test_relatives_by_descriptions_share_what_both_explain(heads: ComparedHeads) -> None:
    found = relatives_of(heads, heads, linear_cka(heads.kernels, heads.kernels))
    first, second = found["L0.H0"].by_descriptions
    # red weighs 3/4 and 1/2, a cat 1/4 and 1/2: they have 1/2 + 1/4 in common.
    assert (first.head, first.texts, first.properties) == ("L0.H1", 0.75, 0.75)
    assert first.shared == ["red", "a cat"]
    # No text, but half of L0.H2 is of the same property, however that is spelt.
    assert (second.head, second.texts, second.properties) == ("L0.H2", 0, 0.5)
    assert found["L0.H3"].by_descriptions == []


def test_every_cka_with_the_heads_of_the_model_is_there_with_its_median(
    heads: ComparedHeads,
) -> None:
    cka = linear_cka(heads.kernels, heads.kernels)
    found = relatives_of(heads, heads, cka)["L0.H1"]
    assert found.cka == [round(value, 3) for value in cka[1].tolist()]
    assert found.median == pytest.approx(sorted(cka[1, [0, 2, 3]].tolist())[1], abs=1e-6)
    assert [one.cka for one in found.by_cka] == sorted(
        (one.cka for one in found.by_cka), reverse=True
    )


def test_a_large_gallery_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relatives_stage, "COMPARED_IMAGES", 10)
    draw = torch.Generator().manual_seed(0)
    coordinates = torch.randn(40, 1, 3, generator=draw)
    found = planted({"L0.H0": []}, coordinates)
    sample = planted({"L0.H0": []}, coordinates[::4])
    assert found.kernels.images == 10
    assert torch.equal(found.kernels.unit, sample.kernels.unit)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_local_dir(folder / "one", tiny_config(layers=2), seed=1)
    write_local_dir(folder / "two", tiny_config(layers=1), seed=2)
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    (folder / "pool.csv").write_text(
        "text,property\na cat,animals\na dog,animals\nred,colours\nblue,colours\n"
    )
    return folder


def build(inputs: Path, atlas: Path, model: str, called: str | None = None) -> Path:
    return build_model(
        f"local-dir:{inputs / model}",
        gallery=inputs / "photos",
        atlas=atlas,
        called=called,
        descriptions=inputs / "pool.csv",
        topics=inputs / "pool.csv",
        profile=0,
        device="cpu",
    ).folder


@pytest.fixture(scope="module")
def related(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of two models, one of them twice, whose heads have been compared."""
    atlas = tmp_path_factory.mktemp("related") / "atlas"
    for model, called in (("one", None), ("two", None), ("one", "again")):
        build(inputs, atlas, model, called)
    relate_models(atlas)
    return atlas


@pytest.fixture
def atlas(related: Path, tmp_path: Path) -> Path:
    shutil.copytree(related, tmp_path / "atlas")
    return tmp_path / "atlas"


def record(atlas: Path, model: str, other: str) -> OtherRelativesRecord:
    file = atlas / model / "relatives" / f"{other}.json"
    return OtherRelativesRecord.model_validate_json(file.read_bytes())


def model_record(atlas: Path, model: str) -> ModelRecord:
    return ModelRecord.model_validate_json((atlas / model / "model.json").read_bytes())


def head_record(atlas: Path, model: str, head: str) -> HeadRecord:
    file = atlas / model / "heads" / f"{head}.json"
    return HeadRecord.model_validate_json(file.read_bytes())


def test_every_pair_of_models_is_compared_in_both_directions(atlas: Path) -> None:
    for model, other in (("one", "two"), ("two", "one"), ("again", "two"), ("one", "again")):
        found = record(atlas, model, other)
        assert (found.model, found.other) == (model, other)
        assert found.fingerprint == model_record(atlas, model).relatives.fingerprint
        assert found.other_fingerprint == model_record(atlas, other).relatives.fingerprint
        assert list(found.heads) == [head.id for head in model_record(atlas, model).heads]
    there, back = record(atlas, "one", "two"), record(atlas, "two", "one")
    table = np.array([row.cka for row in there.heads.values()])
    assert table.shape == (len(there.heads), len(back.heads))
    assert np.array_equal(table.T, [row.cka for row in back.heads.values()])


def test_each_head_is_its_own_nearest_relative_in_the_same_model_under_another_name(
    atlas: Path,
) -> None:
    for head, found in record(atlas, "one", "again").heads.items():
        assert found.by_cka[0].head == head
        assert found.by_cka[0].cka == pytest.approx(1, abs=1e-5)
        assert found.by_cka[0].texts == pytest.approx(1, abs=1e-5)


def test_a_comparison_with_oneself_by_another_name_is_that_within_the_model(atlas: Path) -> None:
    for head, found in record(atlas, "one", "again").heads.items():
        own = head_record(atlas, "one", head).relatives
        assert own.cka == pytest.approx(found.cka, abs=2e-3)


def test_what_is_compared_is_not_compared_again(atlas: Path) -> None:
    assert set(relate_models(atlas).values()) == {"unchanged"}


def test_a_model_that_has_changed_is_compared_again_and_no_other(inputs: Path, atlas: Path) -> None:
    before = record(atlas, "one", "again")
    shutil.rmtree(atlas / "two")
    write_local_dir(inputs / "changed" / "two", tiny_config(layers=1), seed=3)
    build(inputs, atlas, "changed/two")
    outcomes = relate_models(atlas)
    assert outcomes == {
        ("again", "one"): "unchanged",
        ("again", "two"): "built",
        ("one", "two"): "built",
    }
    fingerprint = model_record(atlas, "two").relatives.fingerprint
    assert record(atlas, "one", "two").other_fingerprint == fingerprint
    assert record(atlas, "one", "again") == before


def test_a_model_that_is_gone_leaves_nothing_behind_in_the_others(atlas: Path) -> None:
    shutil.rmtree(atlas / "two")
    relate_models(atlas)
    assert not (atlas / "one" / "relatives" / "two.json").exists()
    assert (atlas / "one" / "relatives" / "again.json").exists()
    assert "relatives in two" not in read_list(atlas / "one").made


def test_a_damaged_comparison_is_made_again(atlas: Path) -> None:
    file = atlas / "one" / "relatives" / "two.json"
    whole = file.read_bytes()
    file.write_text("{}")
    assert relate_models(atlas)["one", "two"] == "built"
    assert file.read_bytes() == whole


def bytes_of(atlas: Path) -> dict[str, bytes]:
    files = (path for path in sorted(atlas.rglob("*")) if path.is_file())
    return {path.relative_to(atlas).as_posix(): path.read_bytes() for path in files}


def test_a_comparison_that_is_killed_anywhere_leaves_whole_files_and_is_finished_by_the_next(
    related: Path, atlas: Path, tmp_path: Path
) -> None:
    names = ("again", "one", "two")
    for folder in (atlas / name for name in names):
        for other in names:
            discard(folder, f"relatives in {other}")
    shutil.copytree(atlas, tmp_path / "counted")
    total = count_changes(lambda: relate_models(tmp_path / "counted"))
    assert bytes_of(tmp_path / "counted") == bytes_of(related)
    for at in range(1, total + 1, 9):
        killed = tmp_path / f"killed-{at}"
        shutil.copytree(atlas, killed)
        with watched(Changes(at)), pytest.raises(Killed):
            relate_models(killed)
        notes = Notes()
        read_atlas(killed, notes)
        assert notes.lines == []
        relate_models(killed)
        assert bytes_of(killed) == bytes_of(related)


def test_the_command_that_builds_two_models_compares_them_for_the_site(
    inputs: Path, tmp_path: Path
) -> None:
    texts = inputs / "pool.csv"
    models = [f"--model=local-dir:{inputs / name}" for name in ("one", "two")]
    options = ["--gallery", inputs / "photos", "--profile", "none", "--device", "cpu"]
    options += ["--descriptions", texts, "--topics", texts, "--atlas", tmp_path / "atlas"]
    built = head_atlas("build", *models, *options, folder=tmp_path)
    assert built.returncode == 0
    assert "compared the heads of one with two" in built.stdout + built.stderr
    again = head_atlas("build", *models, *options, folder=tmp_path)
    assert "compared the heads" not in again.stdout + again.stderr
    site = tmp_path / "site"
    made = head_atlas("site", "--atlas", tmp_path / "atlas", "--out", site, folder=tmp_path)
    assert made.returncode == 0
    data = json.loads((site / "one" / "L0.H0" / "head.json").read_text())
    found = record(tmp_path / "atlas", "one", "two").heads["L0.H0"]
    assert data["other_relatives"] == {"two": found.model_dump(mode="json")}


class Notes(Silent):
    """A progress that keeps its notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        """Keep the line."""
        self.lines.append(message)


def test_a_bundle_that_cannot_be_read_does_not_keep_the_others_from_being_compared(
    atlas: Path,
) -> None:
    (atlas / "two" / "model.json").write_text("{}")
    shutil.rmtree(atlas / "one" / "relatives")
    notes = Notes()
    assert relate_models(atlas, notes) == {("again", "one"): "built"}
    (line,) = notes.lines
    assert line.startswith("two was not compared with other models: ")


def test_coordinates_that_are_lost_are_named(atlas: Path) -> None:
    shutil.rmtree(atlas / "one" / "relatives")
    (atlas / "one" / "coordinates.safetensors").unlink()
    notes = Notes()
    assert relate_models(atlas, notes) == {("again", "two"): "unchanged"}
    assert len(notes.lines) == 2
    assert all("coordinates.safetensors: cannot be read" in line for line in notes.lines)


def test_a_foreign_file_in_the_way_is_left_alone(atlas: Path) -> None:
    listed = read_list(atlas / "one").made
    file = atlas / "one" / "relatives" / "two.json"
    file.write_text("mine")
    adopt(atlas / "one", {name: made for name, made in listed.items() if "in two" not in name})
    notes = Notes()
    relate_models(atlas, notes)
    assert file.read_text() == "mine"
    assert any("was not made by head-atlas" in line for line in notes.lines)


def test_a_bundle_from_elsewhere_is_compared_where_it_arrives(
    inputs: Path, atlas: Path, tmp_path: Path
) -> None:
    build(inputs, tmp_path / "elsewhere", "two", "guest")
    shutil.move(tmp_path / "elsewhere" / "guest", atlas / "guest")
    outcomes = relate_models(atlas)
    assert outcomes["guest", "one"] == "built"
    first = record(atlas, "guest", "two").heads["L0.H0"].by_cka[0]
    assert (first.head, first.cka) == ("L0.H0", pytest.approx(1, abs=1e-5))


def test_models_over_another_gallery_are_not_compared(inputs: Path, atlas: Path) -> None:
    file = atlas / "two" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"gallery_sha256": "0" * 64}))
    assert ("one", "two") not in relate_models(atlas)
