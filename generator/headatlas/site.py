"""From a bundle to a folder of static files: read, list the pages, check their links, write."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.owned_files import LIST
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.paper import PaperRecord
from clipheads.bundle.progress import Progress, Silent
from headatlas.atlas_reader import Atlas, read_atlas
from headatlas.head_json import as_json, head_file, published_head_file
from headatlas.links import address
from headatlas.pages.everything import (
    NOT_FOUND,
    HeadContent,
    Page,
    build_pages,
    check_links,
    cited,
    gallery_files,
    model_views,
)
from headatlas.pages.ground_truth import ground_truth_page, ground_truth_plots
from headatlas.pages.published import PublishedHeadContent, published_pages
from headatlas.pictures.palette import stylesheet
from headatlas.pictures.thumbnails import thumbnail
from headatlas.publish.base_url import parse_base_url
from headatlas.publish.output import Output, site_output
from headatlas.publish.schemas import schema_files
from headatlas.publish.search_files import search_page
from headatlas.render import render, templates_folder


@dataclass(frozen=True)
class SiteReport:
    """What was generated."""

    pages: int
    files: int
    bytes: int
    """Of all files of the site."""
    removed: int
    """Files of an earlier run that no longer belong."""


def generate_site(
    atlas: Path, out: Path, base_url: str | None = None, progress: Progress | None = None
) -> SiteReport:
    """Generate the site of the atlas in `atlas` into the folder `out`.

    The same atlas gives the same bytes, as long as the versions of this program and of its
    dependencies are the same, and npm's package for the search page is at hand or is not. With
    `base_url`, the address that the site will have, pages name their canonical address and there
    is a `sitemap.xml`. Files in `out` that the generator did not write stay as they are.

    Raises BundleError for an atlas that cannot be used, AtlasError for a folder that
    cannot be written, holds such files, or overlaps the atlas, or a base URL that is none.
    """
    progress = progress or Silent()
    if base_url is not None:
        base_url = parse_base_url(base_url)
    _refuse_overlap(atlas, out)
    before = _lists(atlas)
    read = read_atlas(atlas, progress)
    models = model_views(read)
    paper = read_record(data_file("published", "paper.json"), PaperRecord)
    labels = {row.model: row.labels for row in paper.models}
    pages = build_pages(read, models, labels, base_url) + published_pages(paper, models, base_url)
    search = search_page(read, models, progress)
    if search is not None:
        pages.append(search.page)
    truth = ground_truth_page(models)
    if truth is not None:
        pages.append(truth)
    pages = cited(pages, base_url)
    plots = ground_truth_plots(models)
    static = sorted(path for path in (templates_folder() / "static").iterdir() if path.is_file())
    jsons = [
        page.content.json.path
        for page in pages
        if isinstance(page.content, HeadContent | PublishedHeadContent)
    ]
    search_files = {} if search is None else search.files
    searched = frozenset() if search is None else search.models
    check_links(pages, [*gallery_files(read.gallery), *jsons, *plots, *search_files])

    with site_output(out) as output:
        for path in static:
            output.write(f"assets/{path.name}", path.read_bytes())
        properties = {bearer.slug for model in read.models for bearer in model.record.properties}
        output.write("assets/properties.css", stylesheet(len(properties)).encode())
        for name, content in (schema_files(base_url) | plots).items():
            output.write(name, content)
        for name, file in search_files.items():
            output.write(name, file if isinstance(file, bytes) else file.read_bytes())
        _write_gallery(read, output, progress)
        with progress.stage("Write pages", len(pages), "pages") as advance:
            for page in pages:
                html = render(page, base_url, searched, measured=truth is not None)
                output.write(page.path, html.encode())
                if isinstance(page.content, HeadContent):
                    record = head_file(page.content, base_url)
                    output.write(page.content.json.path, as_json(record))
                elif isinstance(page.content, PublishedHeadContent):
                    published = published_head_file(page.content, base_url)
                    output.write(page.content.json.path, as_json(published))
                advance(1)
        if base_url is not None:
            output.write("sitemap.xml", _sitemap(pages, base_url))
        output.write("robots.txt", _robots(base_url))
        if _lists(atlas) != before:
            raise AtlasError(
                f"{atlas}: was changed while it was read, so the site stays as it was; run "
                "head-atlas site again when the build or label run has ended"
            )
    return SiteReport(len(pages), len(output.files), output.bytes, output.removed)


def _lists(atlas: Path) -> dict[Path, bytes]:
    """The lists of what an atlas holds: whoever changes a file of it changes a list first."""
    return {path: path.read_bytes() for at in (LIST, f"*/{LIST}") for path in atlas.glob(at)}


def _refuse_overlap(atlas: Path, out: Path) -> None:
    """Refuse a site in an atlas, or around one: each would take the other's files for its own."""
    here, there = out.resolve(), atlas.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise AtlasError(f"{out}: overlaps the atlas in {atlas}; choose another --out")


def _write_gallery(atlas: Atlas, output: Output, progress: Progress) -> None:
    images = atlas.gallery.images
    with progress.stage("Copy pictures", len(images), "images") as advance:
        for image in images:
            source = atlas.folder / "gallery" / f"{image.id}.webp"
            content = source.read_bytes()
            output.write(f"gallery/{image.id}.webp", content)
            small = f"gallery/small/{image.id}.webp"
            digest = hashlib.sha256(content).hexdigest()
            if not output.keep_derived(small, f"gallery/{image.id}.webp", digest):
                output.write(small, thumbnail(source))
            advance(1)


def _robots(base_url: str | None) -> bytes:
    """Robots may read all pages; they look for this file at the root of a host alone."""
    sitemap = "" if base_url is None else f"Sitemap: {address(base_url, 'sitemap.xml')}\n"
    return f"User-agent: *\nAllow: /\n{sitemap}".encode()


def _sitemap(pages: list[Page], base_url: str) -> bytes:
    addresses = (address(base_url, page.path) for page in pages if page.path != NOT_FOUND)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "".join(f"<url><loc>{escape(each)}</loc></url>\n" for each in addresses)
        + "</urlset>\n"
    ).encode()
