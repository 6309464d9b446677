"""A real browser and a served site, for tests of what readers meet."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from few_published import few_published_heads
from PIL import Image
from platformdirs import user_cache_path
from serving import serving
from synthetic_bundle import write_bundle
from synthetic_search import GRID, write_search

from headatlas.publish.serve import make_server
from headatlas.runtime.onnxruntime_web import fetch_runtime
from headatlas.site import generate_site

AXE = "4.14.1"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Chromium: the system's, or the one that Playwright installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        path = installed or playwright.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip("no Chromium here; install one, or run `playwright install chromium`")
        # Without the sandbox it also starts as root, as in most containers.
        with playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]) as running:
            yield running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated site over a synthetic bundle."""
    folder = tmp_path_factory.mktemp("browser")
    generate_site(write_bundle(folder / "atlas", images=9, layers=2, heads=6), folder / "site")
    return folder / "site"


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated site over a bundle of the shape of ViT-B/32: 12 layers of 12 heads."""
    folder = tmp_path_factory.mktemp("full-size")
    atlas = write_bundle(
        folder / "atlas", names=("ViT-B-32_openai",), images=9, layers=12, heads=12, grid=(7, 7)
    )
    with few_published_heads():
        generate_site(atlas, folder / "site")
    return folder / "site"


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which finds what shuts out readers; from npm, kept in the cache."""
    kept = user_cache_path("clip-head-atlas", appauthor=False)
    script = kept / f"axe-core-{AXE}.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("axe-core comes from npm, which is not here")
        with tempfile.TemporaryDirectory() as folder:
            command = [npm, "pack", "--silent", f"axe-core@{AXE}"]
            try:
                subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=True)
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"npm cannot get axe-core@{AXE}: {error}")
            archives = list(Path(folder).glob("*.tgz"))
            with tarfile.open(archives[0]) as archive:
                member = archive.extractfile("package/axe.min.js")
                assert member is not None
                kept.mkdir(parents=True, exist_ok=True)
                partial = script.with_suffix(f".{os.getpid()}.part")
                partial.write_bytes(member.read())
                partial.replace(script)
    return script.read_text("utf-8")


@pytest.fixture(scope="session")
def served(site: Path) -> Iterator[str]:
    """The address of the served site."""
    with serving(make_server(site, 0)) as address:
        yield address


@pytest.fixture(scope="session")
def served_in_full_size(full_size: Path) -> Iterator[str]:
    """The address of the served site of a full-size model."""
    with serving(make_server(full_size, 0)) as address:
        yield address


@pytest.fixture
def open_page(browser):
    """Opens a page and records what the browser complains about and asks for."""
    contexts = []

    def open_it(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda failed: page.complaints.append(f"failed: {failed.url}"))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address, wait_until="load")
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def search_atlas(tmp_path_factory):
    """Three models: two of one shape with encoders, and one without."""
    if fetch_runtime().reason:
        pytest.skip("onnxruntime-web is neither in the cache nor to be had from npm")
    folder = tmp_path_factory.mktemp("search") / "atlas"
    names = ("demo-clip", "plain", "twin")
    write_bundle(folder, names=names, images=24, layers=2, heads=3, grid=GRID)
    write_search(folder, "demo-clip")
    write_search(folder, "twin", seed=1)
    write_search(folder, "plain", encoders=False)
    return folder


@pytest.fixture(scope="session")
def searched(search_atlas):
    """The address of the site, which is served below a path."""
    site = search_atlas.parent / "served" / "below" / "a-path"
    with few_published_heads():
        generate_site(search_atlas, site)
    (search_atlas.parent / "served" / "index.html").write_text(
        "<!doctype html><title>Elsewhere</title>"
    )
    with serving(make_server(search_atlas.parent / "served", 0)) as address:
        yield f"{address}below/a-path/"


@pytest.fixture(scope="session")
def photograph(tmp_path_factory):
    """A real photograph, higher than wide, as a PNG file."""
    data = pytest.importorskip("skimage.data")
    path = tmp_path_factory.mktemp("photograph") / "astronaut.png"
    Image.fromarray(data.astronaut()[:, 40:430]).save(path)
    return path


@pytest.fixture
def visit(browser, searched):
    """Opens the search page with a question; other hosts cannot be reached, and are noted."""
    contexts = []

    def open_it(query="", *, script=None, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        here = urlsplit(searched)
        context.elsewhere, context.asked, context.referrers = [], [], []

        def only_here(route):
            asked = urlsplit(route.request.url)
            if (asked.scheme, asked.netloc) == (here.scheme, here.netloc):
                route.continue_()
            else:
                context.elsewhere.append(route.request.url)
                route.abort()

        def note(request):
            context.asked.append(request.url)
            context.referrers.append(request.headers.get("referer", ""))

        context.on("request", note)
        context.route(lambda url: not url.startswith(searched), only_here)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{searched}search/{query}")
        return page

    yield open_it
    for context in contexts:
        assert context.elsewhere == []
        context.close()
