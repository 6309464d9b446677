"""Takes the pictures of the documentation from a finished site: python docs/make_pictures.py."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"


def take(page_of_site: str, picture: Path, *, width: int = 1280, height: int = 900) -> None:
    """Save what a reader sees first of a page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto((ROOT / "site" / page_of_site).as_uri())
        page.wait_for_timeout(500)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    head = sys.argv[1] if len(sys.argv) > 1 else "L5.H2"
    take(f"demo-clip/{head}/index.html", ROOT / "docs" / "head-page.png")
