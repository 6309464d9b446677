"""The search page names what its files hold, and is there only where a model can be searched."""

import gzip
import json
import mimetypes
import re

import pytest
from synthetic_bundle import edit_json, write_bundle
from synthetic_search import write_search

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import BundleError
from clipheads.bundle.literature import LiteratureRecord
from clipheads.bundle.paper import PaperRecord
from clipheads.bundle.progress import Silent
from headatlas.atlas_reader import read_atlas
from headatlas.pages.page import POLICY, Page
from headatlas.pages.published import published_view
from headatlas.pages.search import pages as search_pages
from headatlas.pages.search_export import SCRIPT, WASM, search_export
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import model_views
from headatlas.publish.check import check_site
from headatlas.render import render
from headatlas.runtime.onnxruntime_web import CDN, VERSION, Runtime
from headatlas.site import generate_site
from headatlas.urls import SEARCH

pytestmark = pytest.mark.usefixtures("few_published")

HERE = Runtime({SCRIPT: b"export {};", WASM: b"\0asm", "LICENSE": b"MIT"})
ELSEWHERE = Runtime({}, "npm is not installed")


class Notes(Silent):
    """A progress that keeps what it is told."""

    def __init__(self):
        self.said = []

    def note(self, message):
        """Keep a line."""
        self.said.append(message)


@pytest.fixture
def atlas(tmp_path):
    """Two models, of which the first can be searched."""
    write_bundle(tmp_path / "atlas", names=("demo-clip", "plain"), images=9, layers=2, heads=3)
    write_search(tmp_path / "atlas", "demo-clip")
    return tmp_path / "atlas"


def _page(atlas, runtime=HERE, progress=None) -> Page | None:
    """The search page, if there is one."""
    read = read_atlas(atlas)
    models = model_views(read)
    search = search_export(read, models, progress or Notes(), lambda: runtime)
    published = published_view(
        read_record(data_file("published", "paper.json"), PaperRecord), models
    )
    literature = read_record(data_file("published", "literature.json"), LiteratureRecord)
    site = SiteView(read.gallery, models, published, literature, search)
    return next(iter(search_pages(site)), None)


def _files(page):
    """What it brings along, by path from the site's root."""
    return {link.path: content for link, content in page.files.items()}


def test_all_that_the_page_names_is_there_and_named_by_its_content(atlas):
    page = _page(atlas)
    site, files = page.content.export.site, _files(page)
    named = [*site["models"], *site["shared"].values()]
    for file in named:
        path = "search/" + file["path"].removeprefix("./")
        assert re.search(r"-[0-9a-f]{16}\.\w+$", path)
        assert len(files[path]) == file["bytes"]
    (first,) = site["models"]
    packed = files["search/" + first["path"].removeprefix("./")]
    model = json.loads(gzip.decompress(packed))
    assert "projections" not in model["files"]
    for file in model["files"].values():
        source = files[f"search/demo-clip/{file['path'].removeprefix('./')}"]
        assert source.stat().st_size == file["bytes"]
    assert [head["id"] for head in model["heads"]] == [
        f"L{layer}.H{head}" for layer in range(2) for head in range(3)
    ]
    modules = {path for path in files if path.endswith(".js")}
    for path in modules - {"search/sw.js"}:
        for imported in re.findall(r'"\./([\w-]+\.js)"', files[path].decode()):
            assert f"search/{imported}" in modules


def test_nothing_on_the_site_needs_a_type_that_servers_do_not_know(atlas, tmp_path, monkeypatch):
    monkeypatch.setattr("headatlas.pages.search_export.fetch_runtime", lambda: HERE)
    generate_site(atlas, tmp_path / "site")
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert [path.name for path in files if path.suffix in (".mjs", ".wasm")] == []
    # Browsers insist on the type of scripts and styles; all else is read as bytes.
    known = mimetypes.MimeTypes(filenames=())
    insists = {".js": ("text/javascript", "application/javascript"), ".css": ("text/css",)}
    for suffix, types in insists.items():
        found = [path for path in files if path.suffix == suffix]
        assert found
        assert all(known.guess_type(path.name)[0] in types for path in found)


def test_the_script_of_the_runtime_is_the_pinned_one_and_its_webassembly_is_packed(atlas):
    page = _page(atlas)
    runtime, files = page.content.export.site["runtime"], _files(page)
    script, wasm = (files[runtime[key]["path"].removeprefix("../")] for key in runtime)
    assert script == HERE.files[SCRIPT]
    assert gzip.decompress(wasm) == HERE.files[WASM]
    assert files[f"assets/ort-{VERSION}/LICENSE"]


def test_without_an_export_there_is_no_page_and_no_link_to_one(tmp_path):
    write_bundle(tmp_path / "atlas", images=9, layers=2, heads=3)
    assert _page(tmp_path / "atlas") is None
    generate_site(tmp_path / "atlas", tmp_path / "site")
    assert not (tmp_path / "site" / "search").exists()
    assert check_site(tmp_path / "site") == []
    assert "search/index.html" not in (tmp_path / "site" / "index.html").read_text()


def test_only_pages_of_models_that_can_be_searched_lead_there(atlas, tmp_path, monkeypatch):
    monkeypatch.setattr("headatlas.pages.search_export.fetch_runtime", lambda: HERE)
    generate_site(atlas, tmp_path / "site")
    assert check_site(tmp_path / "site") == []
    head = {
        name: (tmp_path / "site" / name / "L1.H2" / "index.html").read_text()
        for name in ("demo-clip", "plain")
    }
    assert "search/index.html#model=demo-clip&amp;heads=L1.H2" in head["demo-clip"]
    assert "Search with this head" not in head["plain"]
    assert all(">Search</a>" in text for text in head.values())


def test_the_policy_allows_webassembly_and_nothing_else_more(atlas):
    policy = dict(part.split(" ", 1) for part in _page(atlas).policy.split("; "))
    usual = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert policy == usual | {
        "script-src": "'self' 'wasm-unsafe-eval'",
        "worker-src": "'self'",
    }
    assert "wasm" not in POLICY


def test_without_npm_the_page_loads_a_pinned_version_from_elsewhere_and_says_so(atlas):
    notes = Notes()
    page = _page(atlas, ELSEWHERE, notes)
    (said,) = notes.said
    assert "npm is not installed" in said
    assert VERSION in said
    runtime = page.content.export.site["runtime"]
    for name, key in ((SCRIPT, "script"), (WASM, "wasm")):
        assert runtime[key]["path"] == f"{CDN}{name}"
        assert runtime[key]["integrity"].startswith("sha384-")
    assert VERSION in CDN
    assert "https://cdn.jsdelivr.net" in page.policy
    html = render(page, searched=page.content.export.names)
    assert "nothing here is loaded from elsewhere" not in html
    assert "nothing here is loaded from elsewhere" in render(_page(atlas))
    assert not any("ort-" in path for path in _files(page))


def test_an_export_of_another_build_is_left_out_and_named(atlas):
    edit_json(atlas / "demo-clip/search/search.json", gallery_sha256="0" * 64)
    notes = Notes()
    assert _page(atlas, progress=notes) is None
    assert "left out demo-clip" in notes.said[0]


def test_a_damaged_export_is_one_clear_line(atlas):
    (atlas / "demo-clip/search/coordinates.bin").write_bytes(b"HATL")
    with pytest.raises(BundleError, match=r"coordinates\.bin: missing or damaged; rebuild"):
        _page(atlas)
    (atlas / "demo-clip/search/search.json").write_text("{}")
    with pytest.raises(BundleError, match=r"search\.json: model: Field required; rebuild"):
        _page(atlas)


def test_the_page_says_how_exact_the_exported_models_are(atlas):
    page = _page(atlas)
    assert page.link == SEARCH
    html = render(page, searched=page.content.export.names)
    for part in ("text encoder", "image encoder"):
        assert f"<td>{part}</td>" in html
