"""A real browser and a served site, for tests of what readers meet."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_bundle import write_bundle

from headatlas.serve import make_server
from headatlas.site import generate_site

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
def served(site: Path) -> Iterator[str]:
    """The address of the served site."""
    with make_server(site, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()
