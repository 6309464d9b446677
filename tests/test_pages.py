"""The list of pages is complete and its links are sound before anything is rendered."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from site_pages import pages_of
from synthetic_bundle import write_bundle

import headatlas.pages
from clipheads.bundle.errors import AtlasError
from headatlas.atlas_reader import read_atlas
from headatlas.links import check_links
from headatlas.pages import images
from headatlas.pages.head import HeadContent
from headatlas.pages.image import ImageContent
from headatlas.pages.images import ImagesContent
from headatlas.pages.kinds import KINDS
from headatlas.pages.view import model_views
from headatlas.site import gallery_files
from headatlas.template_files import templates_folder
from headatlas.urls import METHODS, Link


def test_each_kind_of_page_is_a_module_and_a_template_of_the_same_stem():
    # All other templates are pieces of which these are made, and the frame of all.
    templates = {
        path.stem
        for path in templates_folder().glob("*.html")
        if re.search(r"<!doctype html>|\{% extends", path.read_text("utf-8"))
    } - {"page"}
    kinds = {kind.__name__.rpartition(".")[2] for kind in KINDS}
    assert len(kinds) == len(KINDS)
    assert templates == kinds
    folder = Path(headatlas.pages.__path__[0])
    with_pages = {
        path.stem for path in folder.glob("*.py") if "\ndef pages(" in path.read_text("utf-8")
    }
    assert with_pages == kinds


def test_each_page_has_the_template_of_its_kind(atlas):
    for kind in KINDS:
        templates = {page.template for page in pages_of(atlas, kind)}
        assert templates <= {kind.__name__.rpartition(".")[2] + ".html"}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return read_atlas(write_bundle(folder, names=("demo-clip", "other_clip"), images=6))


@pytest.fixture(scope="module")
def pages(atlas):
    return pages_of(atlas)


def test_the_promised_addresses_are_there(atlas, pages):
    paths = {page.path for page in pages}
    assert len(paths) == len(pages)
    for model in atlas.models:
        name = model.record.name
        promised = [f"{name}/index.html"]
        promised += [f"{name}/{head.id}/index.html" for head in model.heads]
        promised += [f"{name}/images/{image.id}/index.html" for image in atlas.gallery.images]
        promised += [f"{name}/properties/{p.slug}/index.html" for p in model.record.properties]
        promised += [f"{name}/contrasts/{c.slug}/index.html" for c in model.record.contrasts]
        assert paths.issuperset(promised)
    assert paths.issuperset({"index.html", "methods/index.html", "404.html"})


def test_no_link_is_broken(atlas, pages):
    check_links(pages, gallery_files(atlas.gallery))


@pytest.mark.parametrize("lost", ["demo-clip/L1.H0/index.html", "other_clip/images/index.html"])
def test_a_broken_link_is_found_before_anything_is_rendered(atlas, pages, lost):
    left = [page for page in pages if page.path != lost]
    with pytest.raises(AtlasError, match=lost):
        check_links(left, gallery_files(atlas.gallery))


def test_a_link_to_an_anchor_that_a_page_does_not_have_is_found(atlas, pages):
    bent = replace(pages[0], trail=(), content=METHODS.at("no-such-anchor"))
    with pytest.raises(AtlasError, match="no-such-anchor"):
        check_links([bent, *pages[1:]], gallery_files(atlas.gallery))


def test_a_picture_that_is_not_copied_is_found(atlas, pages):
    files = set(gallery_files(atlas.gallery)) - {Link("gallery/small/scene-0002.webp")}
    with pytest.raises(AtlasError, match=r"small/scene-0002\.webp"):
        check_links(pages, files)


def test_heads_form_one_chain_and_columns_of_layers(pages):
    heads = {
        page.path: page.content
        for page in pages
        if isinstance(page.content, HeadContent) and page.path.startswith("demo-clip/")
    }
    (at,) = [path for path, content in heads.items() if content.previous is None]
    walked = [at]
    while (following := heads[at].following) is not None:
        assert heads[following.page.path].previous.page.path == at
        at = following.page.path
        walked.append(at)
    assert set(walked) == set(heads)
    for content in heads.values():
        if content.later is not None:
            assert content.later.summary.layer == content.record.layer + 1
            assert content.later.summary.head == content.record.head


def test_a_large_gallery_is_listed_on_several_pages(atlas, monkeypatch):
    monkeypatch.setattr(images, "PAGE_SIZE", 4)
    pages = pages_of(atlas)
    check_links(pages, gallery_files(atlas.gallery))
    listing = [
        page
        for page in pages
        if isinstance(page.content, ImagesContent) and page.path.startswith("demo-clip/")
    ]
    assert [page.path for page in listing] == [
        "demo-clip/images/index.html",
        "demo-clip/images-2/index.html",
    ]
    shown = [picture.image.id for page in listing for picture in page.content.pictures]
    assert shown == [image.id for image in atlas.gallery.images]


def test_ranks_follow_the_share_of_variance(pages):
    contents = [page.content for page in pages if isinstance(page.content, HeadContent)][:6]
    by_rank = sorted(contents, key=lambda content: content.rank)
    shares = [content.record.variance_share for content in by_rank]
    assert shares == sorted(shares, reverse=True)


def test_an_image_shows_its_own_neighbours_in_the_heads_that_make_it(atlas, pages):
    model = atlas.models[0]
    order = [head.id for head in model.heads]
    ids = [image.id for image in atlas.gallery.images]
    page = next(p for p in pages if isinstance(p.content, ImageContent))
    place = ids.index(page.content.picture.image.id)
    for row in page.content.heads:
        expected = model.neighbours[order.index(row.head.summary.id), place]
        assert [near.picture.image.id for near in row.near] == [ids[i] for i in expected]


def test_a_property_has_one_colour_in_all_models(pages):
    colours = {}
    for page in pages:
        if isinstance(page.content, HeadContent) and page.content.head.property:
            of = page.content.head.property
            assert colours.setdefault(of.record.slug, of.colour) == of.colour
    assert colours


def test_a_description_links_to_the_property_of_its_folded_name(atlas):
    (view, *_) = model_views(atlas)
    for bearer in view.properties:
        name = bearer.record.name
        for spelling in (name, name.upper(), name.rstrip("s"), f"{name}."):
            assert view.property_named(spelling) is bearer
    assert view.property_named(None) is None
