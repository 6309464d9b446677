"""The home page shows all heads first, then findings and an example that measurements choose."""

from dataclasses import replace

import html5lib
import pytest
from site_pages import pages_of
from synthetic_bundle import write_bundle
from synthetic_truth import write_truth

from headatlas.atlas_reader import read_atlas
from headatlas.formats import decimal, percent
from headatlas.pages import home
from headatlas.pages.findings import findings
from headatlas.pages.home import SHOWN_DESCRIPTIONS
from headatlas.render import render
from headatlas.site import view_site


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = write_bundle(tmp_path_factory.mktemp("home") / "atlas", images=6)
    write_truth(folder / "demo-clip")
    return read_atlas(folder)


@pytest.fixture(scope="module")
def site(atlas):
    return view_site(atlas)


def with_shares(site, shares):
    """The site with other shares of variance."""
    (model,) = site.models
    heads = [
        replace(head, summary=head.summary.model_copy(update={"variance_share": share}))
        for head, share in zip(model.heads, shares, strict=True)
    ]
    return replace(site, models=(replace(model, heads=tuple(heads)),))


def figure(site, *words):
    found = [each for each in findings(site, 10) if all(word in each.sentence for word in words)]
    assert len(found) == 1
    return found[0].figure


def test_the_first_thing_is_a_picture_of_every_head(atlas):
    (page,) = pages_of(atlas, home)
    tree = html5lib.parse(render(page), namespaceHTMLElements=False)
    (figure,) = [f for f in tree.iter("figure") if f.get("class") == "hero-map"]
    (bundle,) = atlas.models
    tiles = [link.get("href") for link in figure.iter("a") if link.find("{*}svg") is not None]
    assert sorted(tiles) == sorted(f"demo-clip/{head.id}/index.html" for head in bundle.heads)


def test_four_findings_lead_to_what_they_were_read_from(atlas):
    (page,) = pages_of(atlas, home)
    assert len(page.content.findings) == 4
    html = render(page)
    for finding in page.content.findings:
        assert f"<b>{finding.figure}</b>" in html


def test_how_many_labels_are_correct_is_what_ground_truth_says(site):
    labels = site.models[0].bundle.truth.labels[0]
    assert figure(site, "labels of demo-clip are correct") == f"{labels.right} of {labels.labelled}"


def test_half_of_the_variance_is_counted_from_the_largest_share(site):
    assert figure(with_shares(site, [1, 1, 1, 1, 1, 1]), "half of the variance") == "3 of 6"
    assert figure(with_shares(site, [0, 6, 1, 1, 2, 1]), "half of the variance") == "1 of 6"
    assert figure(with_shares(site, [3, 1, 3, 1, 2, 2]), "half of the variance") == "2 of 6"


def test_the_head_whose_ablation_changes_most_answers_is_named(site):
    heads = site.models[0].record.heads
    most = max(heads, key=lambda head: head.answers_changed)
    assert figure(site, "replaced by its mean", most.id) == percent(most.answers_changed)


def test_the_strongest_cause_is_the_largest_ratio_that_stands_out(site):
    effects = [
        (effect.ratio, head.id)
        for head in site.models[0].bundle.heads
        for effect in head.profile.effects
        if effect.stands_out
    ]
    assert figure(site, "the average head") == f"{decimal(max(effects)[0], 1)} ×"


def test_table_1_is_reversed_as_often_as_its_recomputation_says(site):
    reading = site.published.paper.reading("shared")
    pairs = reading.same_order + reading.reversed_order + reading.tied
    assert figure(site, "change places") == f"{reading.reversed_order} of {pairs}"


def test_what_was_not_measured_is_not_claimed(site):
    (model,) = site.models
    record = model.record.model_copy(update={"profile": None})
    bare = replace(model, record=record, bundle=replace(model.bundle, truth=None))
    said = " ".join(f.sentence for f in findings(replace(site, models=(bare,)), 10))
    assert "correct" not in said
    assert "moved by" not in said
    assert "half of the variance" in said


def test_the_example_is_the_head_whose_label_is_best_supported(site):
    (page,) = home.pages(site)
    example = page.content.example
    records = site.models[0].bundle.heads

    def matching(record):
        return sum(d.matches_label for d in record.descriptions[:SHOWN_DESCRIPTIONS])

    truths = {truth.id: truth for truth in site.models[0].bundle.truth.heads}
    assert example.correct == (truths[example.record.id].right is True)
    rivals = [r for r in records if bool(truths[r.id].right) >= example.correct]
    assert example.matching == max(map(matching, rivals))
