"""The ground truth page says what the record says, and is there only where a record is."""

from pathlib import Path

import html5lib
import pytest
from synthetic_bundle import edit_json, write_bundle
from synthetic_truth import write_truth

from clipheads.bundle import GroundTruthRecord
from clipheads.errors import BundleError
from headatlas.atlas_reader import read_atlas
from headatlas.check import check_site
from headatlas.ground_truth import ground_truth_page
from headatlas.pages import model_views
from headatlas.plots import ablation_plot, descriptions_plot
from headatlas.site import generate_site


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


def test_every_head_has_its_gains_its_property_and_whether_its_label_is_true(
    atlas: Path, site: Path
) -> None:
    page = html5lib.parse(
        (site / "ground-truth" / "index.html").read_text(), namespaceHTMLElements=False
    )
    table = next(one for one in page.iter("table") if one.get("class") == "gains")
    rows = {row[0][0].text: row for row in table.iter("tr") if row[0].get("scope") == "row"}

    for head in record(atlas).heads:
        row = rows[head.id]
        cells = ["".join(cell.itertext()) for cell in row]
        best = [cell.text for cell in row if "best" in (cell.get("class") or "")]
        assert cells[1:4] == [f"{one.gain:.2f}" for one in head.separations]
        assert best == [f"{max(one.gain for one in head.separations):.2f}"]
        assert cells[4] == head.property
        assert ("✓" in cells[5]) == (head.agrees is True)
        assert ("✗" in cells[5]) == (head.agrees is False)


def test_a_method_without_labels_shows_no_share(site: Path) -> None:
    page = (site / "ground-truth" / "index.html").read_text()

    assert "6 (75.0%)" in page
    assert "0 of" in page
    assert "nan" not in page


def test_without_a_record_there_is_no_page_and_no_link_to_it(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=4)
    generate_site(atlas, tmp_path / "site")

    assert ground_truth_page(model_views(read_atlas(atlas))) is None
    assert not (tmp_path / "site" / "ground-truth").exists()
    assert "ground-truth/" not in (tmp_path / "site" / "demo-clip" / "index.html").read_text()


def test_a_truth_about_other_labels_is_refused(tmp_path: Path) -> None:
    atlas = write_bundle(tmp_path / "atlas", images=4)
    truth = write_truth(atlas / "demo-clip")
    heads = [head.model_dump() for head in truth.heads]
    heads[0]["label"] = "another"
    edit_json(atlas / "demo-clip" / "ground-truth.json", heads=heads)

    with pytest.raises(BundleError, match="measured with other labels"):
        read_atlas(atlas)


def test_plots_are_the_same_bytes_each_time_and_have_colours_for_dark_paper(atlas: Path) -> None:
    measured = record(atlas).faithfulness
    for plot in (descriptions_plot, ablation_plot):
        drawn = plot(measured)

        assert drawn == plot(measured)
        assert b"prefers-color-scheme: dark" in drawn
        assert b"zero-shot accuracy" in drawn
        assert b"colour" in drawn
