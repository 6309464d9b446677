"""Takes a screenshot of each kind of page of a site, to be looked at.

python docs/take_screenshots.py SITE OUT [KIND …]

At the width of a phone, of a laptop and of a large screen, in light and in dark, the whole page.
Without KINDs it is every kind that the site has, by the class of the page's body. OUT/index.html
shows all of them.
"""

import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from make_pictures import CHROMIUM
from playwright.sync_api import Page, sync_playwright

WIDTHS = {390: 844, 1280: 800, 1920: 1080}
"""Heights of the window by its width, in pixels."""
SCHEMES = ("light", "dark")
STYLE = "img { width: 15vw; height: 60vh; object-fit: cover; object-position: top }"
SEE_ALL = """async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
}"""


def example_pages(site: Path) -> dict[str, Path]:
    """The first page of each kind, by kind."""
    found: dict[str, Path] = {}
    for path in sorted(site.rglob("*.html")):
        kind = re.search(r'<body class="([^" ]*)', path.read_text(encoding="utf-8"))
        found.setdefault(kind[1] if kind and kind[1] else path.parent.name, path)
    return found


def take(page: Page, address: str, stem: Path) -> Iterator[Path]:
    """Save the page at each width in each colour scheme."""
    for width, height in WIDTHS.items():
        for scheme in SCHEMES:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            page.goto(address)
            page.evaluate(SEE_ALL)
            picture = stem.with_name(f"{stem.name}-{width}-{scheme}.png")
            page.screenshot(path=picture, full_page=True)
            yield picture


def main(site: Path, out: Path, kinds: list[str]) -> None:
    """Take all screenshots and write the page that shows them."""
    pages = example_pages(site.resolve())
    if unknown := [kind for kind in kinds if kind not in pages]:
        sys.exit(f"{site} has no page of the kind {unknown[0]}; it has {', '.join(pages)}")
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        for kind in kinds or pages:
            pictures = list(take(page, pages[kind].as_uri(), out / kind))
            shown = "".join(
                f'<a href="{p.name}"><img src="{p.name}" alt="{p.stem}"></a>' for p in pictures
            )
            name = escape(pages[kind].relative_to(site.resolve()).as_posix())
            rows.append(f"<h2>{escape(kind)}: {name}</h2><p>{shown}</p>")
        browser.close()
    style = (
        "<style>img { width: 15vw; height: 60vh; object-fit: cover; object-position: top }</style>"
    )
    (out / "index.html").write_text(f"<!doctype html>{style}{''.join(rows)}", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
