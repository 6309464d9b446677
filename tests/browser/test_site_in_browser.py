"""What readers meet: pages that look right, load nothing from elsewhere and need no script."""

from urllib.parse import urlsplit

import pytest

PAGES = {
    "home": "index.html",
    "methods": "methods/index.html",
    "model": "demo-clip/index.html",
    "head": "demo-clip/L1.H2/index.html",
    "properties": "demo-clip/properties/index.html",
    "image": "demo-clip/images/scene-0003/index.html",
    "images": "demo-clip/images/index.html",
    "contrast": "demo-clip/contrasts/boat-house/index.html",
    "contrasts": "demo-clip/contrasts/index.html",
    "compare": "compare/index.html",
    "table 1": "recomputing-table-1/index.html",
    "published labels": "published-labels/index.html",
    "published model": "ViT-B-16_openai/index.html",
    "published head": "ViT-L-14_laion2b_s32b_b82k/L23.H15/index.html",
}


@pytest.fixture(params=["served", "from disk"])
def root(request, served, site):
    return served if request.param == "served" else site.as_uri() + "/"


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
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(served, open_page, name, scheme):
    page = open_page(
        served + PAGES[name],
        viewport={"width": 390, "height": 844},
        color_scheme=scheme,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_scripts_a_reader_gets_from_the_home_page_to_a_head_and_on(root, open_page):
    page = open_page(root + PAGES["home"], java_script_enabled=False)
    page.get_by_role("table").get_by_role("link", name="demo-clip").click()
    page.locator("td.head a").nth(3).click()
    first = page.locator("h1 .id").inner_text()
    page.locator("nav.compass a[rel=next]").click()
    assert page.locator("h1 .id").inner_text() != first
    page.locator(".strip a").first.click()
    assert "Heads that make this embedding" in page.locator("main").inner_text()


def test_the_grid_is_filtered_without_scripts(served, open_page):
    page = open_page(served + PAGES["model"], java_script_enabled=False)
    page.locator(".filter input").nth(1).check()

    def opacity(cell):
        return float(cell.evaluate("(cell) => getComputedStyle(cell).opacity"))

    chosen = page.locator(".filter input").nth(1).get_attribute("class").replace("f", "q")
    page.wait_for_timeout(400)  # the cells fade
    seen = {True: [], False: []}
    for cell in page.locator("td.head").all():
        seen[chosen in cell.get_attribute("class").split()].append(opacity(cell))
    assert set(seen[True]) == {1.0}
    assert seen[False]
    assert max(seen[False]) < 0.3


def test_a_heat_map_lies_over_the_square_of_its_photograph(served, open_page):
    page = open_page(served + PAGES["head"])
    page.locator(".heat").first.scroll_into_view_if_needed()
    boxes = [page.locator(".heat").first.locator("img").nth(n).bounding_box() for n in (0, 1)]
    for side in ("x", "y", "width", "height"):
        assert boxes[0][side] == pytest.approx(boxes[1][side], abs=0.6)
    assert boxes[0]["width"] == pytest.approx(boxes[0]["height"], abs=0.6)


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
    assert page.get_by_role("heading", name="No such page").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 246)"
    page.get_by_role("link", name="demo-clip").click()
    assert page.url == served + "demo-clip/index.html"
