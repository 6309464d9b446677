"""From a bundle to a folder of static files: read, list the pages, check their links, write."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.owned_files import LIST
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.literature import LiteratureRecord
from clipheads.bundle.paper import PaperRecord
from clipheads.bundle.progress import Progress, Silent
from headatlas import urls
from headatlas.atlas_reader import Atlas, read_atlas
from headatlas.head_json import as_json
from headatlas.links import check_links
from headatlas.pages.kinds import all_pages
from headatlas.pages.page import Page
from headatlas.pages.published import published_view
from headatlas.pages.search_export import search_export
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import model_views
from headatlas.pictures import colourings
from headatlas.pictures.palette import stylesheet
from headatlas.pictures.thumbnails import thumbnail
from headatlas.publish.base_url import parse_base_url
from headatlas.publish.identifiers import parse_doi, parse_licence
from headatlas.publish.output import Output, site_output
from headatlas.publish.schemas import schema_files
from headatlas.render import render
from headatlas.template_files import atlas_css, templates_folder
from headatlas.urls import Link, Urls


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
    atlas: Path,
    out: Path,
    base_url: str | None = None,
    progress: Progress | None = None,
    *,
    doi: str | None = None,
    licence: str | None = None,
) -> SiteReport:
    """Generate the site of the atlas in `atlas` into the folder `out`.

    The same atlas gives the same bytes, as long as the versions of this program and of its
    dependencies are the same, and npm's package for the search page is at hand or is not. With
    `base_url`, the address that the site will have, pages name their canonical address and there
    is a `sitemap.xml`. `doi` is cited beside the address of each page, and `licence` is that of the
    site's data. Files in `out` that the generator did not write stay unchanged.

    Raises BundleError for an atlas that cannot be used, AtlasError for a folder that
    cannot be written, holds such files, or overlaps the atlas, or for a base URL, a DOI or a
    licence that is none.
    """
    progress = progress or Silent()
    addresses = Urls(
        base_url=None if base_url is None else parse_base_url(base_url),
        doi=None if doi is None else parse_doi(doi),
        licence=None if licence is None else parse_licence(licence),
    )
    _refuse_overlap(atlas, out)
    before = _lists(atlas)
    read = read_atlas(atlas, progress)
    site = view_site(read, progress)
    pages = all_pages(site)
    check_links(pages, gallery_files(read.gallery))

    with site_output(out) as output:
        for link, content in (_assets(read, site) | schema_files(addresses)).items():
            output.write(link.path, content)
        _write_gallery(read, output, progress)
        _write_pages(pages, site, addresses, output, progress)
        if addresses.base_url is not None:
            output.write(urls.SITEMAP.path, _sitemap(pages, addresses))
        output.write(urls.ROBOTS.path, _robots(addresses))
        if _lists(atlas) != before:
            raise AtlasError(
                f"{atlas}: was changed while it was read, so the site stays as it was; run "
                "head-atlas site again when the build or label run has ended"
            )
    return SiteReport(len(pages), len(output.files), output.bytes, output.removed)


def view_site(atlas: Atlas, progress: Progress | None = None) -> SiteView:
    """What the pages of an atlas are made of.

    Raises BundleError if what a model exported for the search page is damaged or incomplete.
    """
    models = model_views(atlas)
    paper = read_record(data_file("published", "paper.json"), PaperRecord)
    literature = read_record(data_file("published", "literature.json"), LiteratureRecord)
    search = search_export(atlas, models, progress or Silent())
    return SiteView(atlas.gallery, models, published_view(paper, models), literature, search)


def gallery_files(gallery: GalleryManifest) -> list[Link]:
    """The shared pictures: each image, and its centred square in small."""
    return [
        link
        for image in gallery.images
        for link in (urls.picture(image.id), urls.small_picture(image.id))
    ]


def _assets(atlas: Atlas, site: SiteView) -> dict[Link, bytes]:
    static = (templates_folder() / "static").iterdir()
    files = {urls.asset(path.name): path.read_bytes() for path in sorted(static) if path.is_file()}
    properties = {prop.slug for model in atlas.models for prop in model.record.properties}
    files[urls.asset("atlas.css")] = atlas_css()
    files[urls.asset("properties.css")] = stylesheet(len(properties)).encode()
    metrics = max(len(model.metrics) for model in site.models)
    files[urls.asset("metrics.css")] = colourings.stylesheet(metrics).encode()
    return files


def _lists(atlas: Path) -> dict[Path, bytes]:
    """The lists of what an atlas holds: whoever changes a file of it changes a list first."""
    return {
        path: path.read_bytes() for pattern in (LIST, f"*/{LIST}") for path in atlas.glob(pattern)
    }


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
            picture, small = urls.picture(image.id).path, urls.small_picture(image.id).path
            output.write(picture, content)
            if not output.keep_derived(small, picture, hashlib.sha256(content).hexdigest()):
                output.write(small, thumbnail(source))
            advance(1)


def _write_pages(
    pages: list[Page], site: SiteView, addresses: Urls, output: Output, progress: Progress
) -> None:
    """Write each page, its data and the files that it brings along."""
    with progress.stage("Write pages", len(pages), "pages") as advance:
        for page in pages:
            html = render(page, addresses, site.searched, measured=bool(site.measured))
            output.write(page.path, html.encode())
            if page.data:
                record = page.data.make(addresses.permanent(page.link))
                output.write(page.data.link.path, as_json(record))
            for link, file in page.files.items():
                output.write(link.path, file if isinstance(file, bytes) else file.read_bytes())
            for download in (*page.downloads, *([page.twin] if page.twin else [])):
                output.write(download.link.path, download.make(addresses))
            advance(1)


def _robots(addresses: Urls) -> bytes:
    """Robots may read all pages; they look for this file at the root of a host alone."""
    based = addresses.base_url is not None
    sitemap = f"Sitemap: {addresses.permanent(urls.SITEMAP)}\n" if based else ""
    return f"User-agent: *\nAllow: /\n{sitemap}".encode()


def _sitemap(pages: list[Page], addresses: Urls) -> bytes:
    listed = (addresses.permanent(page.link) for page in pages if page.link != urls.NOT_FOUND)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "".join(f"<url><loc>{escape(address)}</loc></url>\n" for address in listed)
        + "</urlset>\n"
    ).encode()
