"""A finished bundle takes other labels without its model, as if it had been built with them."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import tiny_config, write_local_dir
from PIL import Image

from clipheads.bundle.disk.record_files import read_record, write_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.labels import Label, LabellerRecord, LabelsRecord
from clipheads.bundle.progress import Silent
from clipheads.labels.changes import LabelChanges
from clipheads.labels.from_file import labeller_from_file
from clipheads.labels.labeller import HeadLabels, Labeller
from clipheads.labels.majority import label_heads_by_majority
from clipheads.stages.atlas import ATLAS
from clipheads.stages.build import BuildReport, build_model
from clipheads.stages.earlier_bundles import FILES
from clipheads.stages.engine import all_stages
from clipheads.stages.label import bundle_folders, relabel
from clipheads.stages.labels import description_hashes, head_descriptions
from clipheads.texts.pools import Description


def build(
    inputs: Path, atlas: Path, labeller: Labeller | None = label_heads_by_majority, **changes: Any
) -> BuildReport:
    arguments: dict[str, Any] = {
        "gallery": inputs / "photos",
        "descriptions": inputs / "pool.csv",
        "device": "cpu",
    } | changes
    return build_model(f"local-dir:{inputs / 'tiny'}", atlas=atlas, labeller=labeller, **arguments)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_local_dir(folder / "tiny", tiny_config())
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(10):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    (folder / "pool.csv").write_text(
        "text,property\na cat,animals\na dog,animals\nred,colours\nblue,colours\n"
    )
    (folder / "labels.csv").write_text(
        "head,label,reason\nL2.H1,Colour,I looked\nL2.H0,colours,\nL1.H0,,\n"
    )
    return folder


@pytest.fixture
def atlas(inputs: Path, tmp_path: Path) -> Path:
    build(inputs, tmp_path / "atlas")
    return tmp_path / "atlas"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "stages.json"
    }


def test_a_relabelled_bundle_is_the_one_that_a_build_with_that_labeller_makes(
    inputs: Path, atlas: Path, tmp_path: Path
) -> None:
    from_file = labeller_from_file(inputs / "labels.csv")
    built = build(inputs, tmp_path / "other", from_file)

    before = [head.label.text for head in heads_of(atlas / "tiny")]
    changes = relabel(atlas / "tiny", from_file)

    mine, theirs = files_of(atlas / "tiny"), files_of(built.folder)
    by_label, by_build = (
        LabelsRecord.model_validate_json(files.pop("labels.json")) for files in (mine, theirs)
    )
    assert mine == theirs
    assert by_label == by_build.model_copy(update={"made_by": "label"})
    after = [head.label.text for head in heads_of(atlas / "tiny")]
    pairs = list(zip(before, after, strict=True))
    assert changes.set == sum(new not in (None, old) for old, new in pairs) >= 1
    assert changes.cleared == sum(old is not None and new is None for old, new in pairs)
    assert sum(changes) == 6
    assert relabel(atlas / "tiny", from_file) == LabelChanges(set=0, cleared=0, unchanged=6)


def test_a_relabelled_head_has_the_images_of_its_new_answers(inputs: Path, atlas: Path) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    records = {record.id: record for record in heads_of(atlas / "tiny")}

    # The label is another spelling of the property.
    for head in ("L2.H0", "L2.H1"):
        answers = records[head].answers
        assert answers is not None
        assert {answer.text for answer in answers.answers} == {"red", "blue"}
        assert all(len(answer.neighbours) == 8 for answer in answers.answers)
    assert records["L1.H0"].answers is None


def test_a_build_that_names_no_labeller_keeps_the_labels_of_label(
    inputs: Path, atlas: Path
) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    before = files_of(atlas)

    report = build(inputs, atlas, None)

    assert set(report.stages.values()) == {"unchanged"}
    assert files_of(atlas) == before
    (atlas / "tiny" / "neighbours.safetensors").unlink()
    assert build(inputs, atlas, None).stages["neighbours"] == "built"
    assert files_of(atlas) == before


def test_a_build_that_names_no_labeller_replaces_the_labels_of_another_build(
    inputs: Path, atlas: Path, tmp_path: Path
) -> None:
    build(inputs, atlas, labeller_from_file(inputs / "labels.csv"))
    build(inputs, atlas, None)
    build(inputs, tmp_path / "other", None)
    assert files_of(atlas) == files_of(tmp_path / "other")


def test_labels_of_other_descriptions_are_not_kept(
    inputs: Path, atlas: Path, tmp_path: Path
) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    others = tmp_path / "others.csv"
    others.write_text("text,property\na fish,animals\na cow,animals\ngreen,colours\n")
    notes = Notes()

    build(inputs, atlas, None, descriptions=others, progress=notes)

    (line,) = notes.lines
    assert "tiny: its heads have other descriptions than those that `head-atlas label`" in line
    build(inputs, tmp_path / "other", None, descriptions=others)
    assert files_of(atlas) == files_of(tmp_path / "other")


def test_labels_that_were_edited_by_hand_are_kept(inputs: Path, atlas: Path) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    file = atlas / "tiny" / "labels.json"
    text = next(f.label.text for f in labels_of(atlas).heads.values() if f.label.text)
    file.write_text(file.read_text().replace(f'"{text}"', '"renamed"'))

    build(inputs, atlas, None)

    assert "renamed" in {found.label.text for found in labels_of(atlas).heads.values()}


def test_labels_of_the_bundle_format_before_are_kept(inputs: Path, atlas: Path) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    labelled = labels_of(atlas)
    file = atlas / "tiny" / "labels.json"
    file.write_text(file.read_text().replace('"format": 3', '"format": 2'))

    build(inputs, atlas, None)

    assert labels_of(atlas).heads == labelled.heads


def test_a_build_refuses_labels_that_cannot_be_read_and_label_replaces_them(
    inputs: Path, atlas: Path
) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    before = files_of(atlas)
    (atlas / "tiny" / "labels.json").write_text("{")
    with pytest.raises(AtlasError, match=r"labels.json: .*; restore it, or name a labeller"):
        build(inputs, atlas, None)
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    assert files_of(atlas) == before


def test_heads_with_the_same_descriptions_keep_their_labels_where_others_are_gone(
    inputs: Path, atlas: Path
) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    labelled = labels_of(atlas)
    changed, *kept = labelled.heads
    outdated = labelled.heads[changed].model_copy(update={"descriptions": "0" * 64})
    heads = labelled.heads | {changed: outdated}
    write_record(atlas / "tiny" / "labels.json", labelled.model_copy(update={"heads": heads}))
    notes = Notes()

    build(inputs, atlas, None, progress=notes)

    after = labels_of(atlas)
    assert {head: after.heads[head] for head in kept} == {head: heads[head] for head in kept}
    assert after.heads[changed].label.text is None
    assert "have changed" in after.heads[changed].label.reason
    (line,) = notes.lines
    assert f"1 of {len(heads)} heads" in line


def test_another_taxonomy_makes_matches_outdated(inputs: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.csv"
    shutil.copy(inputs / "pool.csv", pool)
    taxonomy = tmp_path / "pool.properties.csv"
    taxonomy.write_text("property,parent\nanimals,things\n")
    atlas = tmp_path / "atlas"
    build(inputs, atlas, None, descriptions=pool)
    before = description_hashes(atlas / "tiny")
    taxonomy.write_text("property,parent\ncolours,things\n")
    build(inputs, atlas, None, descriptions=pool)
    after = description_hashes(atlas / "tiny")
    assert all(before[head] != after[head] for head in before)


def labels_of(atlas: Path) -> LabelsRecord:
    return read_record(atlas / "tiny" / "labels.json", LabelsRecord)


def test_a_bundle_whose_list_is_lost_is_taken_up_with_its_labels(inputs: Path, atlas: Path) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    before = files_of(atlas)
    (atlas / "tiny" / "stages.json").unlink()

    build(inputs, atlas, None)

    assert files_of(atlas) == before


def test_every_file_of_a_stage_is_known_where_a_list_is_lost() -> None:
    patterns = "|".join(FILES.values())
    for stage in all_stages(ATLAS):
        for file in stage.writes:
            path = file.path.replace("heads/*", "heads/L0.H0").replace("search/*", "search/basis")
            assert file.in_atlas or re.fullmatch(patterns, path), path


class Notes(Silent):
    """A progress that keeps the lines it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        """Keep the line."""
        self.lines.append(message)


def test_a_build_that_names_a_labeller_gives_its_labels(inputs: Path, atlas: Path) -> None:
    before = files_of(atlas)
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    assert files_of(atlas) != before

    report = build(inputs, atlas)

    assert report.stages["records"] == "built"
    assert files_of(atlas) == before


def test_a_labeller_that_fails_leaves_the_bundle_as_it_was(atlas: Path) -> None:
    before = files_of(atlas)

    def fails(_heads: Mapping[str, Sequence[Description]], _bundle: Path) -> HeadLabels:
        raise AtlasError("no key")

    with pytest.raises(AtlasError, match="no key"):
        relabel(atlas / "tiny", fails)

    assert files_of(atlas) == before


def test_a_head_whose_question_failed_keeps_its_label_and_says_so(
    inputs: Path, atlas: Path
) -> None:
    relabel(atlas / "tiny", labeller_from_file(inputs / "labels.csv"))
    before = {head.id: head for head in heads_of(atlas / "tiny")}

    def half(heads: Mapping[str, Sequence[Description]], _bundle: Path) -> HeadLabels:
        labels = {
            head: Label(text="shape", confidence=None, reason="Seen.")
            if head == "L2.H0"
            else Label(text=None, confidence=None, reason="No answer.")
            for head in heads
        }
        return HeadLabels(
            labels,
            {head: [False] * len(described) for head, described in heads.items()},
            LabellerRecord(kind="openai", method="A model."),
            dict.fromkeys(set(heads) - {"L2.H0"}, "No answer."),
        )

    for _ in range(2):
        relabel(atlas / "tiny", half)
        after = {head.id: head for head in heads_of(atlas / "tiny")}
        assert after["L2.H0"].label.text == "shape"
        assert after["L2.H1"].label.text == before["L2.H1"].label.text == "Colour"
        assert after["L2.H1"].label.reason == "Kept from the labels before: No answer."
        assert after["L2.H1"].descriptions == before["L2.H1"].descriptions
        assert after["L1.H0"].label == Label(text=None, confidence=None, reason="No answer.")


def heads_of(folder: Path) -> list[HeadRecord]:
    return [
        HeadRecord.model_validate_json(path.read_bytes())
        for path in sorted((folder / "heads").glob("*.json"))
    ]


@pytest.mark.parametrize("file", ["heads/L0.H1.json", "search/search.json", "search/texts.json"])
def test_a_damaged_file_that_depends_on_labels_is_made_again(atlas: Path, file: str) -> None:
    relabel(atlas / "tiny", label_heads_by_majority)
    before = files_of(atlas)
    (atlas / "tiny" / file).write_text("{}")

    assert relabel(atlas / "tiny", label_heads_by_majority) == LabelChanges(
        set=0, cleared=0, unchanged=6
    )

    assert files_of(atlas) == before


def test_the_labeller_sees_the_descriptions_of_every_head(atlas: Path) -> None:
    seen: dict[str, list[Description]] = {}

    def look(heads: Mapping[str, Sequence[Description]], _bundle: Path) -> HeadLabels:
        seen.update({head: list(described) for head, described in heads.items()})
        blank = Label(text=None, confidence=None, reason="Not asked.")
        return HeadLabels(
            dict.fromkeys(heads, blank),
            {head: [False] * len(described) for head, described in heads.items()},
            LabellerRecord(kind="imported", method="None."),
        )

    relabel(atlas / "tiny", look)

    assert list(seen) == [f"L{layer}.H{head}" for layer in range(3) for head in range(2)]
    assert seen == head_descriptions(atlas / "tiny")
    assert {one.property for described in seen.values() for one in described} == {
        "animals",
        "colours",
    }


def test_what_is_not_there_is_one_line(inputs: Path, atlas: Path, tmp_path: Path) -> None:
    assert bundle_folders(atlas, []) == bundle_folders(atlas, ["tiny"]) == [atlas / "tiny"]
    with pytest.raises(AtlasError, match=r"no bundle of 'tinny'; there are tiny"):
        bundle_folders(atlas, ["tinny"])
    with pytest.raises(AtlasError, match="no finished bundle there; run `head-atlas build` first"):
        bundle_folders(tmp_path / "nowhere", [])
    broken = tmp_path / "broken"
    shutil.copytree(atlas, broken)
    for name in ("textspan.json", "coordinates.safetensors"):
        whole = (broken / "tiny" / name).read_bytes()
        (broken / "tiny" / name).write_bytes(b"{")
        with pytest.raises(AtlasError, match=rf"{name}: .*; run `head-atlas build` again"):
            relabel(broken / "tiny", label_heads_by_majority)
        (broken / "tiny" / name).write_bytes(whole)
    (broken / "gallery" / "manifest.json").write_text(
        (atlas / "gallery" / "manifest.json").read_text().replace('"sha256": "', '"sha256": "0')
    )
    with pytest.raises(AtlasError, match="built over another gallery"):
        relabel(broken / "tiny", label_heads_by_majority)
