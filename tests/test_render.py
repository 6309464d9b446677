"""Pages are valid HTML that loads nothing from elsewhere and says what its records hold."""

import base64
import hashlib
import html.parser
import re
from functools import partial
from typing import get_args

import html5lib
import numpy as np
import pytest
from site_pages import pages_of
from synthetic_bundle import edit_json, write_bundle

from clipheads.bundle.labels import LABELLED_BY, LabellerRecord
from clipheads.bundle.model import MATCHES_NEEDED
from headatlas.atlas_reader import read_atlas
from headatlas.formats import (
    decimal,
    full_title,
    in_words,
    ordinal,
    percent,
    plural,
    points,
    shortened,
    significant,
)
from headatlas.pages import (
    contrast,
    contrasts,
    finder,
    head,
    heads,
    home,
    image,
    images,
    methods,
    model,
    not_found,
    properties,
    property,  # noqa: A004
)
from headatlas.pages.evidence import FOLDED_BELOW
from headatlas.pages.head import HeadContent
from headatlas.pages.page import POLICY
from headatlas.publish.html_rules import LOADING_RELATIONS
from headatlas.render import render
from headatlas.urls import Urls

BASE = "https://example.org/atlas/"
COMPUTED = (
    home,
    methods,
    not_found,
    model,
    heads,
    finder,
    head,
    properties,
    property,
    contrasts,
    contrast,
    images,
    image,
)
"""The kinds of pages that show what a build computed."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    atlas = read_atlas(write_bundle(tmp_path_factory.mktemp("render"), images=6))
    return pages_of(atlas, *COMPUTED)


@pytest.fixture(scope="module")
def rendered(pages):
    return {page.path: render(page) for page in pages}


def attributes(text, tag):
    found = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, name, attrs):
            if name == tag:
                found.append(dict(attrs))

    Reader().feed(text)
    return found


def test_every_page_is_valid_html(rendered):
    parse = partial(html5lib.HTMLParser(strict=True).parse)
    for text in rendered.values():
        parse(text)


def test_every_section_that_other_pages_may_link_to_is_there(pages, rendered):
    for page in pages:
        ids = [tag.get("id") for tag in attributes(rendered[page.path], "section")]
        assert [*page.sections, *(["cite"] if page.citable else [])] == ids
        assert page.anchors == set(ids)


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(rendered):
    for path, text in rendered.items():
        if path == "404.html":
            continue
        policies = [
            tag["content"]
            for tag in attributes(text, "meta")
            if tag.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policies == [POLICY]
        assert " style=" not in text
        assert "<style" not in text
        loaded = [tag["src"] for name in ("img", "script") for tag in attributes(text, name)]
        loaded += [
            tag["href"]
            for tag in attributes(text, "link")
            if LOADING_RELATIONS & set(tag["rel"].split())
        ]
        assert loaded
        assert not any("://" in address or address.startswith("/") for address in loaded)
        assert all("src" in tag for tag in attributes(text, "script"))


def test_what_a_text_says_is_shown_not_run(rendered):
    # The synthetic descriptions end in <1>, <2>, …, and a credit holds an ampersand.
    assert "&lt;1&gt;" in rendered["demo-clip/L0.H0/index.html"]
    assert "<1>" not in rendered["demo-clip/L0.H0/index.html"]
    assert "tests &amp; examples" in rendered["index.html"]


def test_a_head_page_says_everything_that_its_record_holds(pages, rendered):
    for page in pages:
        if not isinstance(page.content, HeadContent):
            continue
        record = page.content.record
        text = html.unescape(rendered[page.path])
        assert record.id in text
        assert record.label.reason in text
        assert record.label.text is None or record.label.text in text
        for description in record.descriptions:
            assert description.text in text
            assert percent(description.share) in text
        maps = [tag for tag in attributes(rendered[page.path], "img") if tag.get("class") == "map"]
        of_texts = sum(len(d.maps) for d in (*record.descriptions, *record.topics))
        assert record.attention
        assert len(maps) == of_texts + len(record.attention)
        assert all(tag["src"].startswith("data:image/webp;base64,") for tag in maps)


def test_attention_is_shown_in_multiples_of_equal_weights_over_the_top_images(pages, rendered):
    page = next(page for page in pages if page.path == "demo-clip/L0.H0/index.html")
    record = page.content.record
    views = page.content.attention
    assert [view.heat.picture.image.id for view in views] == [
        share.image for share in record.strongest[: len(record.attention)]
    ]
    for view, attention in zip(views, record.attention, strict=True):
        tokens = 1 + view.heat.grid.size
        total = view.heat.grid.sum() / tokens + attention.class_token
        assert total == pytest.approx(1, abs=1e-5)
        assert f"<b>{significant(float(view.heat.grid.max()))}×</b>" in rendered[page.path]
        assert view.heat.scale == pytest.approx(float(view.heat.grid.max()))


def test_a_map_prints_its_largest_value_in_the_defined_unit_and_shares_the_scale_of_its_row(
    pages, rendered
):
    page = next(page for page in pages if page.path == "demo-clip/L0.H0/index.html")
    stored = page.content.model.bundle.maps
    first = page.content.record.descriptions[0]
    row = page.content.descriptions[0].heat
    peaks = [np.abs(stored[one.map]).max() for one in first.maps]
    assert [heat.scale for heat in row] == pytest.approx([max(peaks)] * len(row))
    assert 0 < max(peaks) < 0.001  # the synthetic maps reach 0.01 tokens × ⟨c, t⟩
    for value in peaks:
        assert f"±{significant(float(value))}" in rendered[page.path]
    assert len({heat.scale for _, topic in page.content.topics for heat in topic}) == 1


def test_the_longest_bar_of_descriptions_is_that_of_the_largest_share(pages, rendered):
    later_is_largest = 0
    for page in pages:
        if not isinstance(page.content, HeadContent):
            continue
        listed = rendered[page.path].split('<section id="descriptions"')[1].split("</section>")[0]
        bars = [float(t["width"]) for t in attributes(listed, "rect") if t["class"] == "value"]
        shares = [description.share for description in page.content.record.descriptions]
        later_is_largest += shares[0] < max(shares)
        folded_last = sorted(shares, key=lambda share: share < FOLDED_BELOW)
        lengths = [100 * share / max(shares) for share in folded_last]
        assert bars == pytest.approx(lengths, abs=0.01)
    assert later_is_largest


def test_no_bar_is_longer_than_its_track(rendered):
    bars = [
        float(tag["width"])
        for text in rendered.values()
        for tag in attributes(text, "rect")
        if tag.get("class", "").startswith("value")
    ]
    assert bars
    assert max(bars) <= 100


def test_canonical_addresses_come_with_a_base_url_and_only_then(pages, rendered):
    head = next(page for page in pages if page.path == "demo-clip/L0.H0/index.html")

    def canonical(text):
        links = attributes(text, "link")
        return [tag["href"] for tag in links if tag["rel"] == "canonical"]

    assert canonical(render(head, Urls(BASE))) == [BASE + "demo-clip/L0.H0/"]
    assert canonical(rendered[head.path]) == []


def test_the_page_for_missing_pages_loads_nothing_and_its_policy_allows_its_own_style(pages):
    (missing,) = [page for page in pages if page.path == "404.html"]
    for base in (None, BASE):
        text = render(missing, Urls(base))
        # An empty icon keeps browsers from asking the server for /favicon.ico.
        assert attributes(text, "link") == [{"rel": "icon", "href": "data:,"}]
        assert not attributes(text, "script") + attributes(text, "img")
        style = text.split("<style>")[1].split("</style>")[0]
        hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        (policy,) = [tag["content"] for tag in attributes(text, "meta") if "http-equiv" in tag]
        assert policy == POLICY.replace("'self'", f"'sha256-{hashed}'", 2).replace(
            f"img-src 'sha256-{hashed}'", "img-src 'self'"
        )


def test_links_of_the_page_for_missing_pages_lead_up_or_start_at_the_root(pages):
    (missing,) = [page for page in pages if page.path == "404.html"]

    def targets(base):
        return [tag["href"] for tag in attributes(render(missing, Urls(base)), "a")]

    # It does not know at which depth it is shown, so without an address it only leads up.
    assert targets(None) == ["../", "../../", "../../../", "/"]
    assert targets(BASE) == [
        "/atlas/",
        "/atlas/demo-clip/",
        "/atlas/methods/",
    ]


def test_what_a_page_says_of_labels_is_what_the_record_says_of_the_labeller(tmp_path):
    folder = write_bundle(tmp_path / "atlas", images=6)
    labeller = {"kind": "explained", "method": "Shares & weights decide."}
    edit_json(folder / "demo-clip" / "model.json", labeller=labeller)
    atlas = read_atlas(folder)
    html = {page.path: render(page) for page in pages_of(atlas, *COMPUTED)}
    for path in ("index.html", "methods/index.html", "demo-clip/index.html"):
        assert "Shares &amp; weights decide." in html[path]
    assert LABELLED_BY["explained"] in html["demo-clip/L0.H0/index.html"]
    for text in html.values():
        assert "descriptions have in common" not in text
        assert "summary of ten texts" not in text
        assert LABELLED_BY["majority"] not in text


def test_every_kind_of_labeller_has_words_of_its_own():
    assert set(LABELLED_BY) == set(get_args(LabellerRecord.model_fields["kind"].annotation))


def test_counts_in_prose_are_those_of_the_record_and_of_the_scores(pages, rendered):
    (model,) = next(page for page in pages if page.path == "index.html").content.models
    scored = in_words(len(model.record.scores.layers))
    assert f"Both are computed over the last {scored} layers" in rendered["index.html"]
    needed = f"at least {in_words(MATCHES_NEEDED)} descriptions that match their label"
    for path in ("index.html", "methods/index.html", "demo-clip/index.html"):
        assert needed in rendered[path]
    picks = max(len(head.descriptions) for head in model.bundle.heads)
    assert f"repeat {in_words(picks)} times" in rendered["methods/index.html"]


def test_references_are_numbered_by_their_position_in_the_list(rendered):
    listed = re.findall(r'<li id="ref-([a-z]+)"', rendered["methods/index.html"])
    cited = re.findall(r'href="#ref-([a-z]+)">\[(\d+)\]', rendered["methods/index.html"])
    assert len(cited) > 5
    assert [(name, listed.index(name) + 1) for name, _ in cited] == [
        (name, int(number)) for name, number in cited
    ]


def test_concept_consistency_of_heads_and_model_is_that_of_the_record(pages, rendered):
    (model,) = next(page for page in pages if page.path == "index.html").content.models
    for share in model.record.scores.consistency:
        assert decimal(share.value, 3) in rendered["demo-clip/index.html"]
    for own in model.record.heads:
        said = f"concept consistency score</a> is {own.concept_consistency}."
        assert (said in rendered[f"demo-clip/{own.id}/index.html"]) == (own.label is not None)


def test_labelled_heads_are_also_counted_by_what_they_write(pages, rendered):
    (model,) = next(page for page in pages if page.path == "index.html").content.models
    heads = model.record.heads
    labelled = [head for head in heads if head.label]
    part = sum(h.variance_share for h in labelled) / sum(h.variance_share for h in heads)
    assert 0 < part < 1
    for path in ("index.html", "demo-clip/index.html"):
        assert str(len(labelled)) in rendered[path]
        assert percent(part, 0) in rendered[path]


def test_differences_of_shares_are_percentage_points(rendered):
    text = html.unescape(rendered["demo-clip/L0.H0/index.html"])
    assert re.search(r'class="excess">[+−]\d+\.\d points<', text)
    image = html.unescape(rendered["demo-clip/images/scene-0000/index.html"])
    assert re.search(r'class="number">[+−]\d+\.\d points<', image)


def test_a_long_title_stands_alone_and_a_long_description_is_cut_between_words():
    assert full_title("Methods") == "Methods · CLIP Head Atlas"
    assert full_title("x" * 60) == "x" * 60
    assert len(shortened("some words " * 40)) <= 160
    assert shortened("word " * 40).endswith("word…")
    assert shortened("short") == "short"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.03124), "3.1%"),
        (percent(-0.0312), "−3.1%"),
        (percent(-0.0001), "0.0%"),
        (points(0.17), "+17.0 points"),
        (points(-0.004), "−0.4 points"),
        (points(-0.0001), "+0.0 points"),
        (decimal(0.417, 3), "0.417"),
        (decimal(-1.005, 1), "−1.0"),
        (significant(0.00414), "0.0041"),
        (significant(3.1e-7), "3.1 × 10⁻⁷"),
        (significant(0), "0"),
        (plural(1, "head"), "1 head"),
        (plural(1200, "head"), "1,200 heads"),
        (ordinal(1) + ordinal(12) + ordinal(22) + ordinal(103), "1st12th22nd103rd"),
    ],
)
def test_numbers_as_they_are_shown(shown, expected):
    assert shown == expected


def test_a_lower_precision_and_its_error_are_said_on_the_models_page(tmp_path):
    folder = write_bundle(tmp_path / "atlas", images=6)
    model_file = folder / "demo-clip" / "model.json"
    edit_json(model_file, precision="bf16", precision_error=0.0021)
    atlas = read_atlas(folder)
    pages = pages_of(atlas, *COMPUTED)
    html = render(next(page for page in pages if page.path == "demo-clip/index.html"))

    assert "multiplied in bf16" in html
    assert "0.0021" in html


def test_a_page_stays_small_however_many_images_were_skipped(tmp_path):
    folder = write_bundle(tmp_path, images=6)
    missing = [{"file": f"{n}.png", "reason": "gone"} for n in range(5000)]
    missing[0]["file"] = "x" * 5000
    edit_json(folder / "gallery" / "manifest.json", skipped=missing)
    atlas = read_atlas(folder)
    pages = pages_of(atlas, *COMPUTED)
    text = next(render(page) for page in pages if page.path.endswith("/images/index.html"))
    assert "99.png" in text
    assert "100.png" not in text
    assert "and 4900 more" in text
    assert len(text) < 30_000
