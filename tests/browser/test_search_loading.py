"""What the search page loads and when, what it sends, and what it does without a network."""

import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from few_published import few_published_heads
from search_answers import OWN_TEXT, all_answers, answered, python_answers
from serving import serving
from synthetic_search import TEXTS

from headatlas.publish.serve import make_server
from headatlas.runtime.onnxruntime_web import fetch_runtime
from headatlas.site import generate_site


def test_nothing_is_loaded_before_it_is_needed(visit, searched):
    page = visit()
    page.locator("#ask").wait_for()
    page.wait_for_load_state("networkidle")
    asked = page.context.asked
    weights = [len(page.request.get(address).body()) for address in asked]
    assert len(asked) >= 5
    assert sum(weights) <= 150_000
    heavy = (".onnx", ".wasm", ".bin", ".mjs", ".webp")
    assert [address for address in asked if address.endswith(heavy)] == []


def test_a_known_text_needs_no_program_that_runs_models(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering", "text-neighbours")
    assert [each for each in page.context.asked if "ort-wasm" in each or ".onnx" in each] == []


def test_one_bar_counts_all_files_that_load(visit, searched):
    page = visit()
    page.evaluate(
        """() => {
          window.seen = [];
          const bar = document.querySelector('#progress');
          new MutationObserver(() => {
            const { value, max } = bar.querySelector('progress');
            window.seen.push([bar.hidden, value, max]);
          }).observe(bar, { attributes: true, subtree: true });
        }"""
    )
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(OWN_TEXT)
    field.press("Enter")
    answered(page, "text-neighbours")
    page.locator("#progress").wait_for(state="hidden")
    seen = page.evaluate("window.seen")
    shown = [(value, most) for hidden, value, most in seen if not hidden]
    first_shown = [hidden for hidden, *_ in seen].index(False)
    hidden_again = [hidden for hidden, *_ in seen[first_shown:]]
    assert hidden_again == sorted(hidden_again)
    value, most = shown[-1]
    assert value == most > 4_000_000
    assert [value for value, _ in shown] == sorted(value for value, _ in shown)


def test_a_missing_file_is_said_and_can_be_tried_again(visit):
    page = visit()
    page.context.route("**/coordinates-*", lambda route: route.fulfill(status=404))
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[0])
    field.press("Enter")
    page.get_by_role("alert").filter(has_text="404").wait_for()
    page.context.unroute("**/coordinates-*")
    field.press("Enter")
    answered(page, "text-neighbours")


def test_no_question_is_ever_sent(visit, searched):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering")
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill("a private thought")
    field.press("Enter")
    page.locator("#text-neighbours h2").filter(has_text="private").wait_for()
    assert "private" in page.url
    page.reload()
    page.locator("#text-neighbours h2").filter(has_text="private").wait_for()
    page.locator("#text-neighbours h3 a").first.click()
    page.wait_for_url("**/demo-clip/**")
    assert len(page.context.asked) > 10
    sent = [address.split("#")[0] for address in page.context.asked + page.context.referrers]
    assert [address for address in sent if "?" in address or "private" in address] == []


class _OtherHost(SimpleHTTPRequestHandler):
    """Another host, which lets pages of any site read its files."""

    extensions_map = {".mjs": "text/javascript", ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, format, *args):  # noqa: A002
        """Say nothing."""

    def end_headers(self):
        """Allow any site."""
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()


@pytest.mark.parametrize("spoiled", [False, True])
def test_from_another_host_only_what_has_the_pinned_hash_runs(
    browser, search_atlas, tmp_path, monkeypatch, spoiled
):
    (tmp_path / "host").mkdir()
    for name, content in fetch_runtime().files.items():
        (tmp_path / "host" / name).write_bytes(content + b" " * spoiled)
    handler = partial(_OtherHost, directory=str(tmp_path / "host"))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as host:
        with monkeypatch.context() as without_npm:
            without_npm.setenv("PATH", str(tmp_path))
            without_npm.setenv("XDG_CACHE_HOME", str(tmp_path))
            without_npm.setattr("headatlas.pages.search_export.CDN", host)
            assert shutil.which("npm") is None
            with few_published_heads():
                generate_site(search_atlas, tmp_path / "site")
        with serving(make_server(tmp_path / "site", 0)) as address:
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"{address}search/#text={OWN_TEXT}")
            if spoiled:
                page.get_by_role("alert").filter(has_text="could not be loaded").wait_for()
            else:
                answered(page, "text-neighbours")
            assert host.rstrip("/") in page.locator("#how").inner_text()
            assert "loads something from elsewhere" in page.locator("footer").inner_text()
            context.close()


def test_the_page_works_without_a_network_once_it_was_used(visit, search_atlas):
    page = visit(f"#text={OWN_TEXT}&image={python_answers(search_atlas).images[2]}")
    answered(page, "maps", "text-neighbours")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    before = all_answers(page)
    page.context.set_offline(True)
    page.reload()
    answered(page, "maps", "text-neighbours")
    assert all_answers(page) == before
    assert page.evaluate("[...document.querySelectorAll('#maps img')].every((i) => i.naturalWidth)")
    page.get_by_role("combobox", name="Text", exact=True).fill("another text, never asked before")
    page.keyboard.press("Enter")
    page.locator("#text-neighbours h2").filter(has_text="never asked before").wait_for()


def test_pictures_that_cannot_be_had_without_a_network_say_what_they_show(visit, search_atlas):
    page = visit(f"#text={TEXTS[0]}&heads=L0.H0")
    answered(page, "text-neighbours")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    field = page.get_by_role("combobox", name="Text", exact=True)
    for text in TEXTS[1:]:
        field.fill(text)
        field.press("Enter")
        page.locator("#text-neighbours h2").filter(has_text=text).wait_for()
    page.wait_for_timeout(300)
    images = page.locator("#results a.thumb img")
    assert images.evaluate_all("(all) => all.every((i) => !i.complete || i.naturalWidth)")
    gone = page.locator("#results a.thumb .gone")
    assert gone.count() > 0
    assert all(gone.all_inner_texts())


def test_a_link_that_names_the_file_works_without_a_network_too(visit):
    page = visit(f"index.html#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    page.reload()
    answered(page, "text-neighbours")
