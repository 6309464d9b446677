"""The ground truth page says what the record says, and is there only where a record is."""

import json
from pathlib import Path

import html5lib
import pytest
from site_pages import pages_of
from synthetic_bundle import edit_json, write_bundle
from synthetic_truth import write_truth

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.ground_truth import (
    CAUSAL_GROUPS,
    GroundTruthRecord,
    HeadTruth,
    LabellerComparison,
    LabelTruth,
    ModelLabelTruth,
)
from clipheads.bundle.progress import Silent
from headatlas.atlas_reader import read_atlas
from headatlas.pages import ground_truth
from headatlas.pages.ground_truth import METHODS
from headatlas.pictures.causal_bars import GROUP_NAMES
from headatlas.pictures.plots import ablation_plot, descriptions_plot
from headatlas.publish.check import check_site
from headatlas.site import generate_site

pytestmark = pytest.mark.usefixtures("few_published")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_bundle(tmp_path_factory.mktemp("truth") / "atlas", images=6)
    write_truth(folder / "demo-clip")
    return folder


@pytest.fixture(scope="module")
def site(atlas: Path) -> Path:
    generate_site(atlas, atlas.parent / "site")
    return atlas.parent / "site"


def record(atlas: Path) -> GroundTruthRecord:
    text = (atlas / "demo-clip" / "ground-truth.json").read_bytes()
    return GroundTruthRecord.model_validate_json(text)


def test_the_site_has_the_page_its_plots_and_no_problem(site: Path) -> None:
    assert check_site(site) == []
    assert (site / "ground-truth" / "demo-clip-descriptions.svg").is_file()
    assert (site / "ground-truth" / "demo-clip-ablation.svg").is_file()
    assert "ground-truth/" in (site / "demo-clip" / "index.html").read_text()


def tables(site: Path, kind: str) -> list[list[list[str]]]:
    """The cells of all tables of a class on the page."""
    page = html5lib.parse(
        (site / "ground-truth" / "index.html").read_text(), namespaceHTMLElements=False
    )
    return [
        [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        for table in page.iter("table")
        if (table.get("class") or "") == kind
    ]


def test_every_head_has_its_effects_its_property_and_whether_its_label_is_right(
    atlas: Path, site: Path
) -> None:
    (table,) = tables(site, "causes")
    rows = {row[0]: row for row in table}

    for head in record(atlas).heads:
        row = rows[head.id]
        effects = {one.name: one for one in head.groups}
        assert row[2:6] == [
            f"{effects[name].total:.2f}" for name in ("object", "background", "style", "layout")
        ]
        first, second = head.groups[:2]
        assert row[6].startswith(
            head.property or f"mixed: {GROUP_NAMES[first.name]} and {GROUP_NAMES[second.name]}"
        )
        for one in head.attributes:
            assert f"{one.name} {one.total:.2f}" in row[6]
        assert ("✓" in row[7]) == (head.right is True)
        assert ("✗" in row[7]) == (head.right is False)


def test_what_is_found_stands_first_and_counts_the_labels_of_the_pages(
    atlas: Path, site: Path
) -> None:
    text = " ".join((site / "ground-truth" / "index.html").read_text().split())
    published = record(atlas).labels[0]

    assert f"<b>{published.right} of {published.heads}</b>" in text
    assert "nan" not in text
    assert text.index('class="finding"') < text.index("<h2>")


def test_the_page_of_a_head_says_what_moves_it_and_whether_its_label_is_right(
    atlas: Path, site: Path
) -> None:
    for head in record(atlas).heads:
        text = (site / "demo-clip" / head.id / "index.html").read_text()
        assert 'id="truth"' in text
        for one in head.groups:
            assert f"{one.total:.2f}" in text
        assert ('The label is <b class="right">' in text) == (head.right is True)
        assert ('The label is <b class="wrong">' in text) == (head.right is False)
        for hits in head.hits:
            assert f"{hits} of these" in text
        data = json.loads((site / "demo-clip" / head.id / "head.json").read_text())
        assert HeadTruth.model_validate(data["ground_truth"]) == head


def comparison(*, of_others: bool) -> str:
    """A record of labellers on the model by which the default was chosen, and on another."""
    labels = LabelTruth(
        method="explained", heads=17, labelled=16, right=15, right_variance=0.9, too_narrow=1,
        chance=4.2, same_label=0.8,
    )  # fmt: skip
    models = [
        ModelLabelTruth(model="the demo CLIP", recipe="Its card.", chosen_on=True, labels=[labels]),
        ModelLabelTruth(model="another CLIP", recipe="Seed 7.", chosen_on=False, labels=[labels]),
    ]
    return LabellerComparison(models=models[: 1 + of_others]).model_dump_json()


@pytest.mark.parametrize("of_others", [True, False])
def test_only_models_that_played_no_part_in_the_choice_are_called_so(
    atlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_others: bool
) -> None:
    (tmp_path / "labellers.json").write_text(comparison(of_others=of_others))
    monkeypatch.setattr(
        "headatlas.pages.ground_truth.data_file", lambda *_names: tmp_path / "labellers.json"
    )
    generate_site(atlas, tmp_path / "site")
    text = (tmp_path / "site" / "ground-truth" / "index.html").read_text()

    assert "were selected on the demo CLIP" in text
    assert "Its card. The labeller was selected on this model, among others." in text
    assert ("Seed 7. It played no part in the selection." in text) == of_others
    assert ("another CLIP" in text) == of_others
    assert text.count("15 of 17") == 1 + of_others


def test_the_recorded_comparison_names_the_model_by_which_the_default_was_chosen() -> None:
    recorded = read_record(data_file("demo", "labellers.json"), LabellerComparison)

    assert recorded.models[0].chosen_on
    assert "trained further" in recorded.models[1].model
    assert [one.chosen_on for one in recorded.models[2:]] == [False, False]
    for model in recorded.models:
        right = {row.method: row.right for row in model.labels}
        assert right["explained"] > max(
            right[method] for method in ("majority", "count", "neighbours")
        )


def test_wider_labels_and_mixed_heads_are_counted_apart(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=4)
    scored = write_truth(atlas / "demo-clip").scored_layers
    file = atlas / "demo-clip" / "ground-truth.json"
    truth = json.loads(file.read_text())
    heads = [one for one in truth["heads"] if int(one["id"][1]) in scored]
    first, second, *_ = (one for one in heads if one["property"] and one["label"])
    for head in heads:
        head["right"] = None
    first |= {"property": first["label"].upper(), "right": True}
    second |= {"property": "a part of it", "right": True}
    file.write_text(json.dumps(truth))
    generate_site(atlas, tmp_path / "site")

    def text_of(page: str) -> str:
        return " ".join((tmp_path / "site" / page / "index.html").read_text().split())

    mixed = [one for one in heads if one["property"] is None]
    labelled = sum(one["label"] is not None for one in mixed)
    found = text_of("ground-truth")
    assert "variance: 1 names the property itself, the others a more general one" in found
    assert f"The other {len(mixed)} heads of these layers are mixed and not scored" in found
    assert f"; {labelled or 'none'} of them ha" in found
    assert "but more general" not in text_of(f"demo-clip/{first['id']}")
    assert "but more general" in text_of(f"demo-clip/{second['id']}")


def test_without_a_record_there_is_no_page_and_no_link_to_it(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=4)
    generate_site(atlas, tmp_path / "site")

    assert pages_of(read_atlas(atlas), ground_truth) == []
    assert not (tmp_path / "site" / "ground-truth").exists()
    assert "ground-truth/" not in (tmp_path / "site" / "demo-clip" / "index.html").read_text()


class Notes(Silent):
    """What a user is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        """Keep a line."""
        self.lines.append(message)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights_sha256": "0" * 64}, "with other weights"),
        ({"gallery_sha256": "0" * 64}, "over another gallery"),
        ({"heads": []}, "with other labels"),
        ({"heads": "none"}, "no valid"),
        ({"pairs": -1}, "pairs"),
    ],
)
def test_a_truth_of_something_else_is_left_out_and_the_site_is_made(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=4)
    write_truth(atlas / "demo-clip")
    edit_json(atlas / "demo-clip" / "ground-truth.json", **change)
    notes = Notes()

    generate_site(atlas, tmp_path / "site", progress=notes)

    assert not (tmp_path / "site" / "ground-truth").exists()
    assert (tmp_path / "site" / "demo-clip" / "index.html").is_file()
    (line,) = [line for line in notes.lines if "ground-truth.json" in line]
    assert "run `head-atlas ground-truth` again" in line
    assert reason in line or reason == "no valid"


def test_plots_are_the_same_bytes_each_time_and_have_colours_for_dark_paper(atlas: Path) -> None:
    measured = record(atlas).faithfulness
    for plot in (descriptions_plot, ablation_plot):
        drawn = plot(measured)

        assert drawn == plot(measured)
        assert b"prefers-color-scheme: dark" in drawn
        assert b"zero-shot accuracy" in drawn
        assert b"colour" in drawn


def test_every_group_and_method_that_a_record_may_name_has_words() -> None:
    pattern = LabelTruth.model_json_schema()["properties"]["method"]["pattern"]
    assert set(METHODS) == set(pattern.strip("^$()").split("|"))
    assert tuple(GROUP_NAMES) == CAUSAL_GROUPS
