"""The registry of labellers: every kind that a record may name can be chosen."""

import json
from pathlib import Path
from typing import get_args

import pytest
from misbehaving_server import KEY

from clipheads.bundle.choices import LabellerKind
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.labels import LABELLED_BY
from clipheads.labels.registry import LABELLERS, LabellerOptions


def test_every_kind_has_a_labeller_and_the_words_of_a_page() -> None:
    assert tuple(LABELLERS) == tuple(LABELLED_BY) == get_args(LabellerKind)


@pytest.mark.parametrize("kind", LABELLERS)
def test_a_labeller_says_its_kind_and_its_settings_in_plain_json(
    kind: LabellerKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "mine.csv"
    file.write_text("head,label\nL0.H0,colour\n")

    labeller = LABELLERS[kind](LabellerOptions(file=file, answers=tmp_path))

    assert labeller.kind == kind
    assert json.loads(json.dumps(labeller.settings)) == labeller.settings != {}
    assert KEY not in json.dumps(labeller.settings)


def test_labels_from_a_file_need_one() -> None:
    with pytest.raises(AtlasError, match="name it with --labels"):
        LABELLERS["imported"](LabellerOptions())
