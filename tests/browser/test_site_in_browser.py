"""What readers meet: pages that look right, load nothing from elsewhere and need no script."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_rules import violations

PAGES = {
    "home": "index.html",
    "methods": "methods/index.html",
    "data": "data/index.html",
    "model": "demo-clip/index.html",
    "finder": "demo-clip/finder/index.html",
    "heads": "heads/index.html",
    "head": "demo-clip/L1.H2/index.html",
    "properties": "demo-clip/properties/index.html",
    "image": "demo-clip/images/scene-0003/index.html",
    "images": "demo-clip/images/index.html",
    "contrast": "demo-clip/contrasts/boat-house/index.html",
    "contrasts": "demo-clip/contrasts/index.html",
    "compare": "compare/index.html",
    "compare heads": "compare/heads/index.html",
    "table 1": "recomputing-table-1/index.html",
    "published labels": "published-labels/index.html",
    "published model": "ViT-B-16_openai/index.html",
    "published head": "ViT-L-14_laion2b_s32b_b82k/L23.H15/index.html",
    "property": "demo-clip/properties/objects/index.html",
    "missing": "404.html",
}
FULL_SIZE = {
    "model": "ViT-B-32_openai/index.html",
    "head": "ViT-B-32_openai/L11.H7/index.html",
    "image": "ViT-B-32_openai/images/scene-0003/index.html",
}


@pytest.fixture(params=["served", "from disk"])
def root(request, served, site):
    return served if request.param == "served" else site.as_uri() + "/"


def scroll_through(page):
    """Let pictures that wait to be seen be fetched."""
    page.evaluate(
        "document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })"
    )
    # Waiting for a function would evaluate a string in the page, which its policy forbids.
    for _ in range(100):
        if page.evaluate("[...document.images].every((image) => image.complete)"):
            return
        page.wait_for_timeout(50)
    raise AssertionError("some pictures were not loaded after five seconds")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_whole_without_a_complaint_and_from_here_only(root, open_page, name):
    page = open_page(root + PAGES[name])
    scroll_through(page)
    assert page.complaints == []
    here = urlsplit(root)
    for address in page.requests:
        asked = urlsplit(address)
        assert asked.scheme == "data" or (asked.scheme, asked.netloc) == (here.scheme, here.netloc)
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    # The page's own colour, which no browser has by default.
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(251, 250, 246)"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_is_wider_than_a_phone(served, open_page, name, width):
    page = open_page(served + PAGES[name], viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", FULL_SIZE)
@pytest.mark.parametrize("width", [320, 1280])
def test_a_full_size_model_fits_as_well(served_in_full_size, open_page, name, width):
    page = open_page(
        served_in_full_size + FULL_SIZE[name], viewport={"width": width, "height": 844}
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    bars = page.evaluate(
        """[...document.querySelectorAll('svg.measure')].map((svg) => [
            svg.getBoundingClientRect().right,
            ...[...svg.children].map((bar) => bar.getBoundingClientRect().right),
        ])"""
    )
    assert bars
    for track, *values in bars:
        assert max(values) <= track + 0.5


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_axe_finds_nothing_that_shuts_out_a_reader(served, open_page, axe, name, width, scheme):
    page = open_page(
        served + PAGES[name],
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        bypass_csp=True,
    )
    assert violations(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_filtered_grid_can_still_be_read(served, open_page, axe, scheme):
    page = open_page(served + PAGES["model"], color_scheme=scheme, bypass_csp=True)
    page.locator(".filter input").nth(1).check()
    assert violations(page, axe) == []


def test_without_scripts_a_reader_gets_from_the_home_page_to_a_head_and_on(root, open_page):
    page = open_page(root + PAGES["home"], java_script_enabled=False)
    page.get_by_role("table").get_by_role("link", name="demo-clip").click()
    page.locator("td.head a").nth(3).click()
    first = page.locator("h1 .id").inner_text()
    page.locator("nav.compass a[rel=next]").click()
    assert page.locator("h1 .id").inner_text() != first
    page.locator(".strip a").first.click()
    assert "Heads that contribute more than usual" in page.locator("main").inner_text()


def test_the_grid_is_filtered_without_scripts(served, open_page):
    page = open_page(served + PAGES["model"], java_script_enabled=False)
    page.locator(".filter input").nth(1).check()

    def coloured(cell):
        colour = cell.evaluate("(cell) => getComputedStyle(cell).backgroundColor")
        return colour != "rgba(0, 0, 0, 0)"

    chosen = page.locator(".filter input").nth(1).get_attribute("class").replace("f", "q")
    seen = {True: [], False: []}
    for cell in page.locator("td.head").all():
        seen[chosen in cell.get_attribute("class").split()].append(coloured(cell))
    assert set(seen[True]) == {True}
    assert set(seen[False]) == {False}


def test_a_heat_map_lies_over_the_square_of_its_photograph(served, open_page):
    page = open_page(served + PAGES["head"])
    page.locator(".heat").first.scroll_into_view_if_needed()
    boxes = [page.locator(".heat").first.locator("img").nth(n).bounding_box() for n in (0, 1)]
    for side in ("x", "y", "width", "height"):
        assert boxes[0][side] == pytest.approx(boxes[1][side], abs=0.6)
    assert boxes[0]["width"] == pytest.approx(boxes[0]["height"], abs=0.6)


def test_maps_can_be_taken_off_the_pictures_without_a_pointer_or_scripts(served, open_page):
    page = open_page(served + PAGES["head"], java_script_enabled=False)
    seen = page.locator(".heat .map").first
    assert seen.evaluate("(map) => getComputedStyle(map).opacity") == "1"
    assert seen.evaluate("(map) => getComputedStyle(map.previousSibling).filter") == "none"
    page.get_by_label("Pictures without maps").first.check()
    page.wait_for_timeout(400)
    assert seen.evaluate("(map) => getComputedStyle(map).opacity") == "0"


def test_a_query_and_its_neighbours_begin_at_one_height(served, open_page):
    page = open_page(served + PAGES["head"])
    row = page.locator(".alike > li").first
    tops = [row.locator(".thumb").nth(n).bounding_box()["y"] for n in (0, 1, 5)]
    assert tops == pytest.approx([tops[0]] * 3, abs=0.6)


def test_a_photograph_is_never_larger_than_it_is(served, open_page):
    page = open_page(served + PAGES["image"], viewport={"width": 1920, "height": 1080})
    photograph = page.locator(".photograph > img")
    shown, own = photograph.evaluate("(img) => [img.getBoundingClientRect().width, img.width]")
    assert shown <= own
    ratio = photograph.evaluate(
        "(img) => img.clientWidth / img.clientHeight / (img.naturalWidth / img.naturalHeight)"
    )
    assert ratio == pytest.approx(1, abs=0.02)


def test_a_printed_citation_is_whole_and_swatches_keep_their_colour(served, open_page):
    page = open_page(served + PAGES["head"], viewport={"width": 700, "height": 900})
    page.emulate_media(media="print")
    overflows = page.locator(".cite pre").evaluate_all(
        "(all) => all.map((pre) => pre.scrollWidth - pre.clientWidth)"
    )
    assert max(overflows) <= 0
    adjusted = page.locator(".swatch").first.evaluate("(s) => getComputedStyle(s).printColorAdjust")
    assert adjusted == "exact"


def test_every_citation_can_be_copied_and_saved_for_a_reference_manager(served, open_page):
    page = open_page(served + PAGES["compare"])
    page.locator(".cite details").evaluate_all("(all) => all.forEach((one) => (one.open = true))")
    texts = page.locator(".cite .copy").count()
    assert page.locator(".cite").get_by_role("button", name="Copy").count() == texts
    for suffix, shown in (("bib", "BibTeX"), ("ris", "RIS")):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save .{suffix}").click()
        assert download.value.suggested_filename == f"clip-head-atlas-compare.{suffix}"
        text = page.locator(f".cite pre[aria-label={shown}]").text_content()
        assert Path(download.value.path()).read_text() == text + "\n"


def test_a_page_that_was_made_without_an_address_cites_the_one_that_it_is_opened_at(
    served, open_page
):
    page = open_page(served + PAGES["head"])
    address = page.url.partition("#")[0].removesuffix("index.html")
    assert page.locator(".cite code").first.text_content() == address
    for text in page.locator(".cite pre[data-later]").all_text_contents():
        assert address in text
        assert "of this site" not in text


def test_arrow_keys_turn_the_pages_of_heads(root, open_page):
    page = open_page(root + PAGES["head"])
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/L1.H3/index.html")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/L1.H2/index.html")


def test_the_first_tab_reaches_the_content(served, open_page):
    page = open_page(served + PAGES["head"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    assert page.locator(".skip").bounding_box()["y"] >= 0


def test_every_formula_is_drawn(served, open_page):
    page = open_page(served + PAGES["methods"])
    formulas = page.locator(".formula math")
    assert formulas.count() >= 6
    for formula in formulas.all():
        box = formula.bounding_box()
        assert box["height"] > 15
        assert box["width"] > 60


def test_an_address_without_a_page_gets_the_sites_own(served, open_page):
    page = open_page(served + "demo-clip/L99.H99/")
    assert page.get_by_role("heading", name="Page not found").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 246)"
    page.get_by_role("link", name="One level up").click()
    assert page.url == served + "demo-clip/"
    assert page.get_by_role("heading", name="demo-clip").is_visible()


def test_below_a_path_that_the_site_does_not_know_the_page_for_missing_pages_works_too(
    site, open_page
):
    # As static hosts do: the same file for every missing address, at any depth.
    page = open_page("about:blank")
    missing = (site / "404.html").read_text("utf-8")
    page.route("http://atlas.test/**", lambda route: route.fulfill(body=missing, status=404))
    page.goto("http://atlas.test/papers/clip/demo-clip/L99.H99/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 246)"
    assert page.requests == ["http://atlas.test/papers/clip/demo-clip/L99.H99/"]
    page.get_by_role("link", name="Two levels up").click()
    assert page.url == "http://atlas.test/papers/clip/"
