"""The registry of labellers: every kind that a record may name can be chosen and says its kind."""

from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file

from clipheads.bundle.choices import LabellerKind
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import LABELLED_BY, Label
from clipheads.bundle.pool import PoolRecord, TextSpanRecord
from clipheads.labels.changes import LabelChanges, label_changes
from clipheads.labels.registry import LABELLERS, LabellerOptions
from clipheads.texts.pools import Description


def test_every_kind_has_a_labeller_and_the_words_of_a_page() -> None:
    assert tuple(LABELLERS) == tuple(LABELLED_BY) == get_args(LabellerKind)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle without heads."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "pool.json").write_text(PoolRecord(texts=[], parents={}).model_dump_json())
    (folder / "textspan.json").write_text(TextSpanRecord({}).model_dump_json())
    save_file({"embeddings": torch.zeros(1, 4)}, folder / "descriptions.safetensors")
    save_file({"basis": torch.zeros(0, 4, 2)}, folder / "basis.safetensors")
    save_file({"covariance": torch.zeros(0, 2, 2)}, folder / "statistics.safetensors")
    return folder


@pytest.mark.usefixtures("chat_environment")
@pytest.mark.parametrize("kind", LABELLERS)
def test_a_labeller_says_its_kind(kind: LabellerKind, bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("head,label\nL0.H0,colour\n")
    options = LabellerOptions(file=file, answers=tmp_path)

    heads: dict[str, list[Description]] = {"L0.H0": []} if kind == "imported" else {}
    found = LABELLERS[kind](options)(heads, bundle)

    assert found.labeller.kind == kind
    assert list(found.labels) == list(found.matching) == list(heads)


def test_labels_from_a_file_need_one() -> None:
    with pytest.raises(AtlasError, match="name it with --labels"):
        LABELLERS["imported"](LabellerOptions())


def test_labels_are_set_cleared_or_unchanged() -> None:
    def labels(*texts: str | None) -> dict[str, Label]:
        return {
            f"L0.H{index}": Label(text=text, confidence=None, reason="Said so.")
            for index, text in enumerate(texts)
        }

    before = labels("colour", "colour", "colour", None, None)
    after = labels("colour", "shape", None, None, "count")

    assert label_changes(before, after) == LabelChanges(set=2, cleared=1, unchanged=2)
    assert label_changes(before, before) == LabelChanges(set=0, cleared=0, unchanged=5)
    assert label_changes({}, after) == LabelChanges(set=3, cleared=0, unchanged=2)
