"""A build that is run again makes what is missing or has changed, and nothing else."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from tiny_builds import (
    PASSES,
    STAGES,
    Watched,
    build,
    built_stages,
    bytes_of,
    heads_of,
    model_of,
)

from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.record import FORMAT
from clipheads.gallery.pictures import open_image
from clipheads.gallery.transforms import all_transforms
from clipheads.labels.labeller import HeadLabels
from clipheads.maths.patching import Ablated, ablate
from clipheads.stages import ablation as ablation_stage
from clipheads.stages import attention as attention_stage
from clipheads.stages import contributions as contributions_stage
from clipheads.stages import heat_maps as heat_maps_stage
from clipheads.stages import profile as profile_stage
from clipheads.stages.build import BuildReport
from clipheads.stages.transform_pass import transformed_coordinates
from clipheads.texts.pools import Description


def test_a_second_run_does_nothing(built: BuildReport, inputs: Path) -> None:
    atlas = built.folder.parent
    before = {path: path.stat().st_mtime_ns for path in atlas.rglob("*")}
    progress = Watched()
    report = build(inputs, atlas, progress=progress)
    assert set(report.stages.values()) == {"unchanged"}
    assert progress.totals == {}
    assert {path: path.stat().st_mtime_ns for path in atlas.rglob("*")} == before


@pytest.mark.parametrize(
    ("stage", "steps", "kept", "module", "shards"),
    [
        ("contributions", 9, 8, contributions_stage, "SHARD_IMAGES"),
        ("heat maps", 8, 8, heat_maps_stage, "SHARD_MAPPED_IMAGES"),
        ("attention", 8, 8, attention_stage, "SHARD_ATTENDED_IMAGES"),
    ],
)
def test_an_interrupted_build_resumes_where_it_stopped(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    steps: int,
    kept: int,
    module: ModuleType,
    shards: str,
) -> None:
    monkeypatch.setattr(module, shards, 4)
    whole = build(inputs, tmp_path / "whole", batch_size=1)
    atlas = tmp_path / "atlas"
    with pytest.raises(KeyboardInterrupt):
        build(inputs, atlas, batch_size=1, progress=Watched(stop=(stage, steps)))
    assert not (atlas / "tiny/model.json").exists()

    opened: list[Path] = []
    images = Watched()

    def count(path: Path) -> Image.Image:
        opened.append(path)
        return open_image(path)

    monkeypatch.setattr("clipheads.stages.gallery_pass.open_image", count)
    report = build(inputs, atlas, batch_size=1, progress=images)
    again = images.totals[stage] - kept
    later = STAGES[STAGES.index(stage) + 1 : STAGES.index("profile")]
    opened_later = sum(images.totals[name] for name in later if name in PASSES)
    of_ablation = 14 + images.totals["ablation"]  # for the means, and to be patched
    assert len(opened) == again + opened_later + 3 + of_ablation  # 3 are the profile's
    assert images.done[stage] == images.totals[stage]
    before = STAGES[: STAGES.index(stage)]
    assert [report.stages[name] for name in before] == ["unchanged"] * len(before)
    assert bytes_of(atlas) == bytes_of(whole.folder.parent)


def test_an_interrupted_profile_resumes_at_its_transform(
    built: BuildReport, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    (atlas / "tiny/profile.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        build(inputs, atlas, batch_size=1, progress=Watched(stop=("profile", 11)))
    passes: list[object] = []

    def count(*arguments: Any, **options: Any) -> torch.Tensor:
        passes.append(arguments[3])
        return transformed_coordinates(*arguments, **options)

    monkeypatch.setattr(profile_stage, "transformed_coordinates", count)
    progress = Watched()
    report = build(inputs, atlas, progress=progress)
    # Three of the passes over three images were done, and the fourth was broken off.
    assert len(passes) == 1 + len(all_transforms(["a", "b"])) - 3
    assert progress.done["profile"] == progress.totals["profile"] == 3 * (len(passes) + 3)
    assert built_stages(report) == ["profile", "records"]
    assert not list(report.folder.glob(".*"))


def test_an_interrupted_ablation_resumes_at_its_shard(
    built: BuildReport, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation_stage, "SHARD_PATCHED", 1)
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    with pytest.raises(KeyboardInterrupt):
        build(inputs, atlas, progress=Watched(stop=("ablation", 3)))
    patched: list[int] = []

    def count(*arguments: Any) -> Ablated:
        patched.append(len(arguments[1]))
        return ablate(*arguments)

    monkeypatch.setattr(ablation_stage, "ablate", count)
    report = build(inputs, atlas)
    assert built_stages(report) == ["ablation", "records"]
    assert patched == [1]  # of four images three were done
    for head, whole in zip(heads_of(report), heads_of(built), strict=True):
        assert head.ablation.questions == whole.ablation.questions
        for name in ("direct", "total"):
            found, expected = getattr(head.ablation, name), getattr(whole.ablation, name)
            assert found.value == pytest.approx(expected.value, rel=1e-3)


def test_only_what_depends_on_a_changed_input_is_built_again(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    shutil.copytree(inputs / "photos", tmp_path / "photos")

    texts = tmp_path / "pool.txt"
    texts.write_text("a red picture\na blue picture\na cat\n")
    report = build(inputs, atlas, descriptions=texts)
    assert built_stages(report) == [
        "pool",
        "descriptions",
        "textspan",
        "heat maps",
        "map noise",
        "ablation",
        "relatives",
        "spread",
        "directions",
        "projections",
        "labels",
        "answers",
        "search",
        "records",
    ]
    assert {head.label.text for head in heads_of(report)} == {None}
    assert {one.property for head in heads_of(report) for one in head.descriptions} == {None}
    assert model_of(report).scores.unlabelled == 8

    topics = tmp_path / "topics.csv"
    topics.write_text("text,property\na tree,plants\n")
    report = build(inputs, atlas, descriptions=texts, topics=topics)
    assert built_stages(report) == ["topics", "heat maps", "search", "records"]

    (tmp_path / "photos/gallery.csv").write_text("file,credit\npicture-00.png,Ann\n")
    report = build(inputs, atlas, descriptions=texts, topics=topics, gallery=tmp_path / "photos")
    assert built_stages(report) == ["gallery", "answers", "search", "records"]


def test_a_lost_file_is_made_again(built: BuildReport, inputs: Path, tmp_path: Path) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    for name in ("gallery/picture-03.webp", "tiny/heads/L2.H1.json", "tiny/basis.safetensors"):
        (atlas / name).unlink()
    report = build(inputs, atlas)
    assert built_stages(report) == ["gallery", "contributions", "records"]
    assert bytes_of(atlas) == bytes_of(built.folder.parent)


def test_another_gallery_makes_other_models_stale(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    shutil.copytree(built.folder, atlas / "other")
    shutil.copytree(inputs / "photos", tmp_path / "photos")
    (tmp_path / "photos/picture-13.png").unlink()
    progress = Watched()
    report = build(inputs, atlas, gallery=tmp_path / "photos", progress=progress)
    assert report.images == 13
    assert len(list((atlas / "gallery").glob("*.webp"))) == 13
    assert [note.split()[0] for note in progress.notes] == ["other"]


def test_another_labeller_changes_labels_search_and_records_and_nothing_else(
    inputs: Path, built: BuildReport, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)

    def all_alike(heads: Mapping[str, Sequence[Description]], _bundle: Path) -> HeadLabels:
        return HeadLabels(
            {head: Label(text="sameness", confidence=None, reason="Said so.") for head in heads},
            {head: [True] * len(described) for head, described in heads.items()},
            LabellerRecord(kind="imported", method="All alike."),
        )

    report = build(inputs, atlas, labeller=all_alike)
    record = ModelRecord.model_validate_json((report.folder / "model.json").read_bytes())

    assert built_stages(report) == ["labels", "answers", "search", "records"]
    assert record.scores.entanglement.value == record.scores.association.value == 1
    assert record.labeller.method == "All alike."
    assert [one.name for one in record.properties] == ["sameness"]
    assert built_stages(build(inputs, atlas, labeller=all_alike)) == []
    assert built_stages(build(inputs, atlas)) == ["labels", "answers", "search", "records"]
    assert bytes_of(atlas) == bytes_of(built.folder.parent)


def test_encoders_are_exported_when_wanted_and_removed_when_not(
    inputs: Path, built: BuildReport, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    wanted = {"export_text_encoder": True, "export_image_encoder": True}
    stages = ["text encoder", "image encoder", "search"]
    report = build(inputs, atlas, **wanted)
    assert built_stages(report) == stages
    assert built_stages(build(inputs, atlas, **wanted)) == []
    with_encoders = bytes_of(atlas)
    assert {"tiny/search/text-encoder.onnx", "tiny/search/image-encoder.onnx"} <= set(with_encoders)

    assert built_stages(build(inputs, atlas)) == ["search"]
    assert set(bytes_of(atlas)) == set(bytes_of(built.folder.parent))

    assert built_stages(build(inputs, atlas, **wanted)) == stages
    assert bytes_of(atlas) == with_encoders


def test_an_atlas_from_before_the_list_of_files_is_taken_up(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    (atlas / "stages.json").write_text(f'{{"gallery": "{"a" * 64}"}}')
    (atlas / "tiny/stages.json").write_text(f'{{"records": "{"b" * 64}"}}')
    for name in (
        "model.json",
        "checkpoint.json",
        "topics.json",
        "labels.json",
        "attention.safetensors",
        "yardsticks.safetensors",
        "principal.safetensors",
        "outliers.safetensors",
        "directions.safetensors",
        "map-noise.safetensors",
    ):
        (atlas / "tiny" / name).unlink()
    manifest = atlas / "gallery/manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    (atlas / "tiny/search/property-gone.bin").write_bytes(b"stale")
    (atlas / "tiny/heads/notes.txt").write_text("mine")
    report = build(inputs, atlas)
    assert built_stages(report) == STAGES
    (atlas / "tiny/heads/notes.txt").unlink()
    assert bytes_of(atlas) == bytes_of(built.folder.parent)


def test_damaged_files_of_a_finished_build_are_made_again(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    for name in ("tiny/projections.onnx", "tiny/search/coordinates.bin", "tiny/images.json"):
        damaged = bytearray((atlas / name).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (atlas / name).write_bytes(damaged)
    (atlas / "gallery/picture-05.webp").write_bytes(b"")
    progress = Watched()
    report = build(inputs, atlas, progress=progress)
    assert built_stages(report) == ["gallery", "projections", "search", "records"]
    assert sum("missing or damaged; made again" in note for note in progress.notes) == 4
    assert bytes_of(atlas) == bytes_of(built.folder.parent)
