"""A head in a frame on a page of another origin, as its `?embed` view shows it."""

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import html5lib
import pytest
from axe_rules import violations

HEAD = "demo-clip/L1.H2/"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and prints nothing."""

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture
def embedding(tmp_path, served, open_page):
    """Opens a page of another origin around a frame; returns that page and the frame's content."""
    servers = []

    def open_it(frame, **options):
        host = f"<!doctype html><html lang=en><title>A blog</title><h1>A blog</h1>{frame}"
        (tmp_path / "index.html").write_text(host)

        def handler(*args):
            return QuietHandler(*args, directory=str(tmp_path))

        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        Thread(target=server.serve_forever).start()
        page = open_page(f"http://127.0.0.1:{server.server_address[1]}/", **options)
        frame = page.locator("iframe").element_handle().content_frame()
        frame.wait_for_url(served + HEAD + "**")
        return page, frame

    yield open_it
    for server in servers:
        server.shutdown()
        server.server_close()


def frame_of(address, width=300):
    return f'<iframe src="{address}" width="{width}" height="500" title="A head"></iframe>'


def visible_sections(frame):
    return frame.locator("main > section").evaluate_all(
        "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.id)"
    )


def test_a_frame_shows_the_title_the_first_section_and_a_link_to_the_page(served, embedding):
    page, frame = embedding(frame_of(served + HEAD + "?embed"))
    assert frame.locator("h1").is_visible()
    assert visible_sections(frame) == ["evidence"]
    for hidden in ("header", "footer", "nav.trail", "nav.jump", ".moved-by"):
        assert not frame.locator(hidden).first.is_visible()
    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="Full page: L1.H2 of demo-clip").click()
    assert opened.value.url == served + HEAD
    assert visible_sections(opened.value)[-1] == "cite"


def test_the_query_chooses_the_sections(served, embedding):
    _, frame = embedding(frame_of(served + HEAD + "?embed=topics,descriptions"))
    assert visible_sections(frame) == ["descriptions", "topics"]


def test_a_section_that_is_not_there_is_named_with_those_that_are(served, embedding):
    _, frame = embedding(frame_of(served + HEAD + "?embed=topics,<b>x"))
    assert visible_sections(frame) == ["topics"]
    text = frame.locator("main > p").last.inner_text()
    assert text.startswith("No section “<b>x” here; there are evidence, label, ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_section_fits_a_frame_of_300_pixels(served, embedding, scheme):
    _, whole = embedding(frame_of(served + HEAD + "?embed"))
    sections = whole.locator("main > section")
    ids = ",".join(sections.evaluate_all("(all) => all.map((one) => one.id)"))
    _, frame = embedding(frame_of(f"{served}{HEAD}?embed={ids}"), color_scheme=scheme)
    assert frame.evaluate("innerWidth") == 300
    assert frame.evaluate("document.documentElement.scrollWidth") <= 300


def test_links_of_a_frame_lead_out_of_it_and_keys_do_not_turn_its_page(served, embedding):
    page, frame = embedding(frame_of(served + HEAD + "?embed=topics"))
    staying = frame.locator("a[href]:not([target=_blank])").evaluate_all(
        "(all) => all.map((link) => link.getAttribute('href'))"
    )
    assert [link for link in staying if not link.startswith("#")] == []
    hidden = frame.locator("a[href*='#descriptions']").first
    assert hidden.evaluate("(link) => link.href") == f"{served}{HEAD}#descriptions"
    frame.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert frame.url == f"{served}{HEAD}?embed=topics"


def test_the_page_gives_the_html_of_its_frame(served, open_page, embedding):
    page = open_page(served + HEAD)
    given = page.locator("pre[aria-label='HTML of a frame']").text_content()
    frame = html5lib.parseFragment(given, namespaceHTMLElements=False)[0]
    assert frame.tag == "iframe"
    assert frame.get("src") == f"{served}{HEAD}?embed"
    assert page.title().startswith(frame.get("title"))
    _, shown = embedding(given)
    assert visible_sections(shown) == ["evidence"]


def test_without_javascript_a_frame_shows_the_whole_page(served, embedding):
    _, frame = embedding(frame_of(served + HEAD + "?embed"), java_script_enabled=False)
    assert frame.locator("header.site").is_visible()
    assert frame.locator("section#cite").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_frame_of_300_pixels(served, open_page, axe, scheme):
    size = {"width": 300, "height": 500}
    page = open_page(served + HEAD + "?embed", viewport=size, color_scheme=scheme)
    assert violations(page, axe) == []
