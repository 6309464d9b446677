"""The audit of Table 1: counts that can be checked by hand, identities, and the published facts."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from math import comb
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import spearmanr

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record, write_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.paper import FOLDING, PaperRecord, PublishedModel
from clipheads.maths.scores import entanglement
from clipheads.paper.measures import FOLDINGS, MEASURES, printed_count, rank_correlation
from clipheads.paper.published import OtherVersion, PublishedFacts, read_published
from clipheads.paper.report import audit

FINAL_S = "case, punctuation, final s"

words = st.sampled_from(
    ["Color", "colors", "Colors.", "Activity", "Activities", "Art", "Bird", "X"]
)
label_sets = st.lists(words, min_size=2, max_size=12)


def published(name: str, labels: Sequence[str], printed: float = 0.5) -> PublishedModel:
    """A model with half of its heads in layer 10 and the rest in layer 11."""
    half = len(labels) // 2
    heads = [f"L10.H{k}" for k in range(half)] + [f"L11.H{k}" for k in range(len(labels) - half)]
    return PublishedModel(
        model=name,
        size="B",
        patch=32,
        data="none",
        entanglement=printed,
        association=0.5,
        labels=dict(zip(heads, labels, strict=True)),
    )


def facts(*models: PublishedModel) -> PublishedFacts:
    return PublishedFacts(labels_source="labels", tables_source="tables", models=list(models))


def value(labels: Sequence[str], measure: str, folding: str = FOLDING) -> float:
    return audit(facts(published("m", labels))).reading(measure, folding).values[0]


# Layer 10: colour, colour, art, bird. Layer 11: colour, art, text, time.
HAND_WORKED = ["Color", "Colors", "Art", "Bird", "Color.", "art", "Text", "Time"]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("shared", 5 / 8),
        ("unique", 3 / 8),
        ("distinct", 5 / 8),
        ("repeated", 3 / 8),
        ("shared labels", 2 / 5),
        ("pairs", (3 + 1) / 28),
        ("same layer", 2 / 8),
        ("other layer", 5 / 8),
    ],
)
def test_each_measure_on_labels_counted_by_hand(measure: str, expected: float) -> None:
    assert value(HAND_WORKED, measure) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("folding", "shared"),
    [
        ("as published", 0),
        ("case", 2),
        ("case, punctuation", 3),
        ("case, punctuation, final s", 4),
        (FOLDING, 6),
    ],
)
def test_each_folding_joins_what_its_name_says(folding: str, shared: int) -> None:
    labels = ["Art", "art", "Art.", "Arts", "Activity", "Activities"]
    assert value(labels, "shared", folding) == pytest.approx(shared / 6, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(label_sets)
def test_shared_and_unique_heads_are_all_heads(labels: list[str]) -> None:
    report = audit(facts(published("m", labels)))
    assert report.models[0].shared.count + report.models[0].unique == len(labels)
    for folding in FOLDINGS:
        shared = report.reading("shared", folding).values[0]
        unique = report.reading("unique", folding).values[0]
        assert shared + unique == pytest.approx(1, abs=2e-6)
        assert (
            report.reading("distinct", folding).values[0]
            >= report.reading("unique", folding).values[0]
        )


@settings(max_examples=40, deadline=None)
@given(label_sets)
def test_the_atlas_score_and_the_reading_of_the_definition_agree(labels: list[str]) -> None:
    report = audit(facts(published("m", labels)))
    assert report.models[0].shared.value == report.reading("shared").values[0]


@settings(max_examples=40, deadline=None)
@given(label_sets, st.data())
def test_the_names_of_heads_do_not_matter(labels: list[str], data: st.DataObject) -> None:
    before = published("m", labels)
    renamed = {
        head.replace(".H", ".H1"): before.labels[head]
        for head in data.draw(st.permutations(list(before.labels)))
    }
    after = PublishedModel(**{**before.model_dump(), "labels": renamed})
    assert audit(facts(before)).readings == audit(facts(after)).readings


@settings(max_examples=40, deadline=None)
@given(label_sets)
def test_a_milder_folding_never_joins_more(labels: list[str]) -> None:
    report = audit(facts(published("m", labels)))
    shared = [report.reading("shared", folding).values[0] for folding in FOLDINGS]
    assert shared == sorted(shared)


@settings(max_examples=40, deadline=None)
@given(label_sets, st.lists(words, min_size=2, max_size=5))
def test_equal_heads_is_the_mean_over_all_draws(labels: list[str], fewer: list[str]) -> None:
    assume(len(fewer) <= len(labels))
    report = audit(facts(published("m", labels), published("small", fewer)))
    folded = [FOLDINGS[FOLDING](label) for label in labels]
    shared = sum(
        sum(draw.count(label) > 1 for label in draw) for draw in combinations(folded, len(fewer))
    )
    expected = shared / (comb(len(labels), len(fewer)) * len(fewer))
    large, small = report.reading("shared, equal heads").values
    assert large == pytest.approx(expected, abs=2e-6)
    assert small == report.reading("shared").values[1]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=8).filter(
        lambda pairs: all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
    )
)
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    assert rank_correlation(first, second) == pytest.approx(
        spearmanr(first, second).statistic, abs=1e-6
    )


def test_rank_correlation_of_a_constant_is_undefined() -> None:
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 64).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_printed_share_gives_back_its_count(share: tuple[int, int]) -> None:
    count, of = share
    assert printed_count((1000 * count // of) / 1000, of) == count


def test_a_share_that_no_count_gives_is_none() -> None:
    assert printed_count(0.440, 48) is None


def test_a_table_by_the_definition_is_recognised() -> None:
    # Two of four, four of four and none of four heads share.
    report = audit(
        facts(
            published("half", ["a", "a", "b", "c"], 0.5),
            published("all", ["a", "a", "b", "b"], 1.0),
            published("none", ["a", "b", "c", "d"], 0.0),
        )
    )
    assert report.nearest.measure == "shared"
    assert report.nearest.differences == [0, 0, 0]
    assert (report.nearest.matches, report.nearest.rank_correlation) == (3, 1)
    assert (report.nearest.same_order, report.nearest.reversed_order) == (3, 0)
    assert any(finding.endswith("The ranking does not reverse.") for finding in report.findings)
    assert not any("None of the" in finding for finding in report.findings)


def test_a_table_of_the_complement_is_recognised() -> None:
    report = audit(
        facts(
            published("most", ["a", "a", "a", "b"], 0.25),
            published("all", ["a", "a", "b", "b"], 0.0),
            published("none", ["a", "b", "c", "d"], 1.0),
        )
    )
    assert report.nearest.measure == "unique"
    assert report.reading("shared").rank_correlation == -1
    assert report.reading("shared").reversed_order == 3
    assert any("The ranking reverses" in finding for finding in report.findings)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(label_sets, st.sampled_from([0.0, 0.25, 0.5])), min_size=1, max_size=4))
def test_the_figures_of_a_reading_follow_from_its_values(
    models: list[tuple[list[str], float]],
) -> None:
    report = audit(facts(*(published(f"m{k}", *model) for k, model in enumerate(models))))
    assert len(report.readings) == len(MEASURES) * len(FOLDINGS)
    for reading in report.readings:
        assert all(0 <= value <= 1 for value in reading.values)
        differences = [
            abs(value - row.entanglement)
            for value, row in zip(reading.values, report.models, strict=True)
        ]
        assert reading.differences == pytest.approx(differences, abs=2e-6)
        mean = sum(differences) / len(differences)
        assert reading.mean_absolute_difference == pytest.approx(mean, abs=2e-6)
        assert reading.same_order + reading.reversed_order + reading.tied == comb(len(models), 2)
        assert report.nearest.mean_absolute_difference <= reading.mean_absolute_difference


PUBLISHED = {
    # model: heads, Table 1 in heads, shared and unique; then the same two with only a final s
    # folded, which leaves "activities" and "activity" apart.
    "ViT-B-32_openai": (48, 21, 29, 19, 27, 21),
    "ViT-B-32_datacomp_m_s128m_b4k": (48, 25, 25, 23, 23, 25),
    "ViT-B-16_openai": (48, 24, 22, 26, 22, 26),
    "ViT-B-16_laion2b_s34b_b88k": (48, 26, 22, 26, 22, 26),
    "ViT-L-14_openai": (64, 23, 39, 25, 39, 25),
    "ViT-L-14_laion2b_s32b_b82k": (64, 22, 41, 23, 41, 23),
}


def test_the_counts_of_the_published_labels() -> None:
    report = audit()
    assert [row.model for row in report.models] == list(PUBLISHED)
    shared = report.reading("shared", FINAL_S).values
    unique = report.reading("unique", FINAL_S).values
    found = {
        row.model: (
            row.heads,
            row.printed_heads,
            row.shared.count,
            row.unique,
            round(shared[k] * row.heads),
            round(unique[k] * row.heads),
        )
        for k, row in enumerate(report.models)
    }
    assert found == PUBLISHED
    table2 = [row.printed_association_heads for row in report.models]
    assert table2 == [21, 7, 17, 8, 29, 36]


def test_what_the_published_facts_show() -> None:
    report = audit()
    assert (report.nearest.measure, report.nearest.folding) == ("unique", FINAL_S)
    assert report.nearest.mean_absolute_difference == pytest.approx(0.0153, abs=5e-5)
    assert report.nearest.matches == 3
    defined = report.reading("shared")
    assert defined.mean_absolute_difference == pytest.approx(0.1401, abs=5e-5)
    assert (defined.same_order, defined.reversed_order, defined.tied) == (1, 13, 1)
    for reading in report.readings:
        assert reading.matches < len(report.models)
        assert reading.rank_correlation is not None
        assert (reading.rank_correlation < 0) == reading.more_is_entangled
    assert report.association_in_print == pytest.approx(-0.942857, abs=1e-6)
    assert report.association_recomputed is not None
    assert report.association_recomputed > 0.8


def test_all_heads_of_the_last_four_layers_are_published() -> None:
    for row in read_published().models:
        layers, heads = (24, 16) if row.size == "L" else (12, 12)
        assert list(row.labels) == [
            f"L{layer}.H{head}" for layer in range(layers - 4, layers) for head in range(heads)
        ]


def test_joined_spellings_are_listed_with_the_mildest_folding() -> None:
    joined = {(row.model, *row.spellings): row.joined_by for row in audit().spellings}
    assert joined["ViT-B-32_openai", "Activities", "Activity"] == FOLDING
    assert joined["ViT-L-14_openai", "Clothing", "Clothing."] == "case, punctuation"
    assert joined["ViT-L-14_openai", "Texture", "Textures"] == FINAL_S


def test_a_report_cannot_be_changed_and_survives_json() -> None:
    report = audit()
    with pytest.raises(ValidationError, match="frozen"):
        report.models = []
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_the_committed_record_is_what_is_computed_today(tmp_path: Path) -> None:
    committed = data_file("published", "paper.json")
    assert read_record(committed, PaperRecord) == audit()
    write_record(tmp_path / "paper.json", audit())
    assert (tmp_path / "paper.json").read_bytes() == committed.read_bytes()


def test_an_unknown_reading_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        audit().reading("shared", "everything")


def test_the_audit_needs_no_torch() -> None:
    code = "import sys, clipheads.paper.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ROW = {
    "model": "m",
    "size": "B",
    "patch": 32,
    "data": "none",
    "entanglement": 0.5,
    "association": 0.5,
}
LABELS = {"L11.H0": "Art", "L11.H1": "Bird"}


@pytest.mark.parametrize(
    ("labels", "rows", "message"),
    [
        ({"m": LABELS, "n": LABELS}, [ROW], "same models, each once; only one names n"),
        ({"m": LABELS}, [ROW, ROW], "same models, each once"),
        ({"m": {**LABELS, "L11.H2": " "}}, [ROW], r"labels\.json: .*L11\.H2"),
        ({"m": {**LABELS, "11.2": "Art"}}, [ROW], r"labels\.json: .*11\.2"),
        ({"m": {"L11.H0": "Art"}}, [ROW], r"labels\.json: .*at least 2"),
        ({"m": LABELS}, [{**ROW, "entanglement": 43.7}], r"tables\.json: .*entanglement"),
        ({"m": LABELS}, [], r"tables\.json: models"),
    ],
)
def test_damaged_facts_are_refused_in_one_line(
    tmp_path: Path, labels: object, rows: object, message: str
) -> None:
    (tmp_path / "labels.json").write_text(json.dumps({"source": "s", "labels": labels}))
    (tmp_path / "tables.json").write_text(json.dumps({"source": "s", "models": rows}))
    with pytest.raises(AtlasError, match=message) as refused:
        read_published(tmp_path)
    assert "\n" not in str(refused.value)


def test_missing_or_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"labels\.json: no such file"):
        read_published(tmp_path)
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(AtlasError, match=r"labels\.json: Invalid JSON"):
        read_published(tmp_path)


def test_the_caveats_count_the_other_version_of_the_labels() -> None:
    facts_of_authors = read_published()
    (other,) = facts_of_authors.other_versions
    (ours,) = [row.labels for row in facts_of_authors.models if row.model == other.model]
    changed = sum(fold_label(ours[head]) != fold_label(other.labels[head]) for head in ours)
    shared = entanglement(list(other.labels.values())).count
    # As the README of the data says.
    assert (changed, shared, len(ours)) == (44, 51, 64)
    caveats = " ".join(audit().caveats)
    assert "other labels for 44 of the 64 heads" in caveats
    assert "51 of its heads share their label and 13 do not, against 41 and 23 here" in caveats


def test_other_labels_give_other_caveats() -> None:
    model = published("m", ["a", "a", "b"])
    other = OtherVersion(source="s", model="m", labels={**model.labels, "L10.H0": "c"})
    report = audit(facts(model).model_copy(update={"other_versions": [other]}))
    caveats = " ".join(report.caveats)
    assert "other labels for 1 of the 3 heads of m" in caveats
    assert "0 of its heads share their label and 3 do not, against 2 and 1 here" in caveats
