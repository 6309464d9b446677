"""What visitors of the search page meet: answers that equal Python's, and nothing sent anywhere.

Python's answers come from the same files by onnxruntime, open_clip's tokenizer and transform, and
`clipheads.maths.neighbours`.
"""

import io
import re
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import onnxruntime
import pytest
import torch
from few_published import few_published_heads
from PIL import Image
from synthetic_bundle import write_bundle
from synthetic_search import CONTEXT, GRID, SIDE, TEXTS, read_rows, write_search

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.search import SearchRecord
from clipheads.gallery.pictures import open_image
from clipheads.maths.heat_maps import contrast_map, topic_map
from clipheads.maths.neighbours import nearest, text_neighbours, top_k
from clipheads.model.open_clip_import import import_open_clip
from headatlas.publish.serve import make_server
from headatlas.runtime.onnxruntime_web import fetch_runtime
from headatlas.site import generate_site

OWN_TEXT = "a photo of a Zebra\u2019s caf\u00e9"
IMAGES = 24


@pytest.fixture(scope="session")
def atlas(tmp_path_factory):
    """Three models: two of one shape with encoders, and one without."""
    if fetch_runtime().reason:
        pytest.skip("onnxruntime-web is neither in the cache nor to be had from npm")
    folder = tmp_path_factory.mktemp("search") / "atlas"
    names = ("demo-clip", "plain", "twin")
    write_bundle(folder, names=names, images=IMAGES, layers=2, heads=3, grid=GRID)
    write_search(folder, "demo-clip")
    write_search(folder, "twin", seed=1)
    write_search(folder, "plain", encoders=False)
    return folder


@contextmanager
def _serving(server):
    """Let a server answer meanwhile; gives its address."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def searched(atlas):
    """The address of the site, which is served below a path."""
    site = atlas.parent / "served" / "below" / "a-path"
    with few_published_heads():
        generate_site(atlas, site)
    (atlas.parent / "served" / "index.html").write_text("<!doctype html><title>Elsewhere</title>")
    with _serving(make_server(atlas.parent / "served", 0)) as address:
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


def answered(page, *sections):
    """Wait until these sections are shown."""
    for name in sections:
        page.locator(f"#results > #{name}").wait_for(timeout=15_000)
    assert not page.locator("#problem").is_visible(), page.locator("#problem").inner_text()


def _answers(page):
    """All that is answered, but for how long it took."""
    return page.locator("#results").inner_text().replace(page.locator(".took").inner_text(), "")


class Python:
    """What Python answers, from the files of one model's export."""

    def __init__(self, atlas: Path, name: str = "demo-clip") -> None:
        self.folder = atlas / name / "search"
        self.record = SearchRecord.model_validate_json((self.folder / "search.json").read_bytes())
        self.model = ModelRecord.model_validate_json((atlas / name / "model.json").read_bytes())
        manifest = (atlas / "gallery" / "manifest.json").read_bytes()
        self.images = [image.id for image in GalleryManifest.model_validate_json(manifest).images]
        units, (_, norms, self.shares) = read_rows(self.folder / "coordinates.bin")
        self.coordinates = torch.tensor(units * norms[..., None], dtype=torch.float32)

    def run(self, key: str, **feeds: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of one of the exported models."""
        session = onnxruntime.InferenceSession(self.folder / self.record.files[key].name)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))

    def embed(self, text: str) -> np.ndarray:
        """The unit embedding t [1, D]."""
        if text in TEXTS:
            embedding = read_rows(self.folder / "texts.bin")[0][TEXTS.index(text)]
        else:
            import_open_clip()
            from open_clip.tokenizer import SimpleTokenizer

            tokens = SimpleTokenizer(context_length=CONTEXT)([text])
            used = int(tokens.argmax()) + 1
            embedding = self.run("text_encoder", tokens=tokens[:, :used].numpy())["embedding"]
        return embedding.astype(np.float32)

    def query(self, text: str) -> torch.Tensor:
        """Bᵀt [H, r]."""
        return torch.tensor(self.run("projections", text=self.embed(text))["queries"][0])

    def text_shares(self, vector: np.ndarray) -> list[float]:
        """cov(⟨c, t⟩, ⟨f, t⟩) / var⟨f, t⟩ of every head over the gallery."""
        queries = self.run("projections", text=vector)["queries"][0]
        written = np.einsum("nhr,hr->nh", self.coordinates.numpy(), queries)
        whole = read_rows(self.folder / "embeddings.bin")[0][:, 0] @ vector[0]
        return [np.cov(one, whole, bias=True)[0, 1] / whole.var() for one in written.T]

    def encode(self, path: Path) -> dict[str, torch.Tensor]:
        """What the image encoder makes of an image file."""
        import_open_clip()
        from open_clip.transform import image_transform

        given = self.record.preprocessing
        transform = image_transform(SIDE, is_train=False, mean=given.mean, std=given.std)
        outputs = self.run("image_encoder", pixels=transform(open_image(path))[None].numpy())
        return {name: torch.tensor(value[0]) for name, value in outputs.items()}

    def nearest_to(self, own: torch.Tensor, head: int) -> tuple[list[str], list[float]]:
        """Neighbours of coordinates [H, r] in a head, which are not in the gallery."""
        both = torch.cat([self.coordinates[:, head], own[head][None]])
        places, scores = nearest(both, 8, torch.tensor([len(both) - 1]))
        return [self.images[place] for place in places[0]], scores[0].tolist()

    def heads_by(self, values: list[float]) -> list[str]:
        """Heads, the highest value first."""
        return [self.record.heads[n] for n in np.argsort(-np.array(values), kind="stable")]


def _number(written):
    """A number as the page writes it, with a sign and perhaps a unit."""
    return float(written.replace("\u2212", "-").replace("+", "").rstrip("%"))


def strip(row):
    """The images of a row of neighbours and their scores, as shown."""
    links = [link.get_attribute("href") for link in row.locator(".strip a.thumb").all()]
    scores = [text.replace("\u2212", "-") for text in row.locator(".score").all_inner_texts()]
    return [link.split("/")[-2] for link in links], [float(score) for score in scores]


def same_strip(row, images, scores):
    shown, shown_scores = strip(row)
    assert shown == images
    assert shown_scores == pytest.approx(scores, abs=0.0051)


def same_map(canvas, expected):
    """Signs and strengths of a heat map's pixels equal those of a grid."""
    size = "(canvas) => [canvas.height, canvas.width]"
    assert tuple(canvas.evaluate(size)) == tuple(expected.shape)
    read = (
        "(canvas) => [...canvas.getContext('2d').getImageData"
        "(0, 0, canvas.width, canvas.height).data]"
    )
    pixels = np.array(canvas.evaluate(read)).reshape(*expected.shape, 4)
    strength = 184 * (expected.abs() / expected.abs().max()).numpy()
    np.testing.assert_allclose(pixels[..., 3], strength, atol=1.01)
    clear = strength > 10
    np.testing.assert_array_equal(
        (pixels[..., 0] > pixels[..., 2])[clear], expected.numpy()[clear] > 0
    )


@pytest.mark.parametrize("text", [OWN_TEXT, TEXTS[0]])
def test_neighbours_of_a_text_in_every_head(visit, atlas, text):
    page = visit()
    page.get_by_role("combobox", name="Text", exact=True).fill(text)
    page.get_by_role("button", name="Search", exact=True).click()
    answered(page, "answering", "text-neighbours")
    python = Python(atlas)
    query = python.query(text)
    shares = python.text_shares(python.embed(text))
    for head, name in enumerate(python.record.heads):
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None])
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
        cell = page.locator(f"#answering td[data-head='{name}']")
        assert _number(cell.locator(".value").inner_text()) == pytest.approx(
            100 * shares[head], abs=0.051
        )
        assert ("below" in cell.get_attribute("class").split()) == (shares[head] < 0)
    shown = page.locator("#text-neighbours li[data-head]")
    order = [row.get_attribute("data-head") for row in shown.all()]
    assert order == python.heads_by(shares)
    rest = page.locator("#answering .sum").inner_text()
    said = [_number(part) for part in re.findall(r"make ([+\u2212]?[\d.]+)%", rest)]
    assert said == pytest.approx([100 * sum(shares), 100 - 100 * sum(shares)], abs=0.051)
    assert page.complaints == []


def test_all_that_an_image_of_ones_own_is_asked(visit, atlas, photograph):
    page = visit()
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-heads", "image-neighbours", "property-neighbours")
    python = Python(atlas)
    own = python.encode(photograph)
    mean = np.array([head.mean_share for head in python.model.heads])
    shares = (own["contributions"] @ own["embedding"]).numpy()
    for head, name in enumerate(python.record.heads):
        row = page.locator(f"#image-neighbours li[data-head='{name}']")
        same_strip(row, *python.nearest_to(own["coordinates"], head))
        cell = page.locator(f"#image-heads td[data-head='{name}'] .value").inner_text()
        excess = _number(cell) / 100
        assert excess == pytest.approx(shares[head] - mean[head], abs=0.00051)
    for each in python.record.properties:
        bearers = [python.record.heads.index(head) for head in each.heads]
        asked = own["contributions"][bearers].mean(dim=0)
        rows, _ = read_rows(python.folder / f"{each.file}.bin")
        cosines = torch.nn.functional.cosine_similarity(
            torch.tensor(rows[:, 0], dtype=torch.float32), asked[None]
        )
        places, scores = top_k(cosines[None], 4)
        row = page.locator(f"#property-neighbours li[data-property='{each.slug}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
    assert python.record.properties
    assert page.complaints == []


def test_heat_maps_of_a_text_and_of_two_texts_on_an_image_of_ones_own(visit, atlas, photograph):
    page = visit(f"#text={TEXTS[1]}&minus={OWN_TEXT}")
    answered(page, "answering")
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "maps", "contrast")
    python = Python(atlas)
    patches = python.encode(photograph)["patches"]
    first, second = python.query(TEXTS[1]), python.query(OWN_TEXT)
    for head, name in enumerate(python.record.heads):
        figure = page.locator(f"#maps figure[data-head='{name}']")
        shown = topic_map(patches[head], first[head] - second[head], GRID)
        same_map(figure.locator("canvas.map"), shown)
    same_map(page.locator("#contrast canvas.map"), contrast_map(patches, first, second, GRID))
    # In full colour: many heads respond to colours.
    picture = "#maps .thumb > :first-child, #contrast .thumb > :first-child"
    assert {
        one.evaluate("it => getComputedStyle(it).filter") for one in page.locator(picture).all()
    } == {"none"}
    assert page.complaints == []


def test_an_image_of_the_gallery_is_chosen_and_is_no_neighbour_of_its_own(visit, atlas):
    page = visit()
    page.get_by_text("From the gallery").click()
    python = Python(atlas)
    chosen = python.images[3]
    page.locator(f"#gallery button[data-image='{chosen}']").click()
    answered(page, "image-neighbours")
    for head, name in enumerate(python.record.heads):
        places, scores = nearest(python.coordinates[:, head], 8, torch.tensor([3]))
        row = page.locator(f"#image-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
        assert chosen not in strip(row)[0]


def test_one_head_and_the_heads_of_a_property(visit, atlas):
    python = Python(atlas)
    bearers = python.record.properties[0]
    page = visit(f"#text={TEXTS[0]}&heads=property:{bearers.slug}")
    answered(page, "text-neighbours")
    shown = page.locator("#text-neighbours li[data-head]")
    assert {row.get_attribute("data-head") for row in shown.all()} == set(bearers.heads)
    page.get_by_label("Heads", exact=True).select_option(python.record.heads[2])
    page.wait_for_url(f"**heads={python.record.heads[2]}**")
    page.locator("#text-neighbours li[data-head]").nth(1).wait_for(state="detached")
    assert shown.count() == 1
    assert shown.get_attribute("data-head") == python.record.heads[2]


def test_results_lead_to_the_pages_of_heads_and_images(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering", "text-neighbours")
    targets = [
        page.locator("#answering td[data-head] a").first,
        page.locator("#text-neighbours h3 a").first,
        page.locator("#text-neighbours a.thumb").first,
    ]
    for target in targets:
        address = target.evaluate("(link) => link.href")
        assert page.request.get(address).ok, address


def test_an_address_brings_the_question_back_in_another_browser(visit, atlas):
    page = visit()
    image = Python(atlas).images[5]
    page.get_by_label("Model").select_option("demo-clip")
    page.get_by_role("combobox", name="Text", exact=True).fill(OWN_TEXT)
    page.keyboard.press("Enter")
    answered(page, "text-neighbours")
    page.get_by_text("From the gallery").click()
    page.locator(f"#gallery button[data-image='{image}']").click()
    answered(page, "maps", "image-neighbours")
    asked = urlsplit(page.url)
    assert parse_qs(asked.fragment)["text"] == [OWN_TEXT]
    other = visit(f"#{asked.fragment}")
    answered(other, "maps", "image-neighbours")
    assert other.get_by_role("combobox", name="Text", exact=True).input_value() == OWN_TEXT
    assert _answers(other) == _answers(page)
    assert len(_answers(page)) > 500


def test_back_and_forward_go_through_the_questions(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[1])
    page.keyboard.press("Enter")
    title = page.locator("#text-neighbours h2")
    title.filter(has_text=TEXTS[1]).wait_for()
    page.go_back()
    title.filter(has_text=TEXTS[0]).wait_for()
    assert field.input_value() == TEXTS[0]
    page.go_forward()
    title.filter(has_text=TEXTS[1]).wait_for()
    assert field.input_value() == TEXTS[1]


def test_an_address_with_an_image_of_ones_own_says_that_it_stayed_there(visit):
    page = visit(f"#text={TEXTS[0]}&image=own")
    page.get_by_role("alert").filter(has_text="stayed on its owner's computer").wait_for()
    page.locator("#text-neighbours").wait_for()


def test_without_encoders_known_texts_and_the_gallery_are_searched(visit, atlas):
    python = Python(atlas, "plain")
    page = visit(f"#model=plain&text={TEXTS[2]}&image={python.images[1]}")
    answered(page, "maps", "text-neighbours", "image-neighbours", "property-neighbours")
    assert "image encoder" in page.locator("#maps").inner_text()
    assert page.locator("#maps canvas").count() == 0
    query = python.query(TEXTS[2])
    for head, name in enumerate(python.record.heads):
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None])
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
    assert not page.locator("#own").is_visible()
    page.get_by_role("combobox", name="Text", exact=True).fill("something else")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="not among the known texts").wait_for()


def test_known_texts_are_completed_by_keyboard(visit):
    page = visit()
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.press_sequentially("bo")
    options = page.get_by_role("listbox", name="Known texts").first.get_by_role("option")
    options.first.wait_for()
    assert field.get_attribute("aria-expanded") == "true"
    assert options.all_inner_texts() == ["boat", "a picture of a boat"]
    field.fill("oat")
    page.wait_for_timeout(300)
    assert options.count() == 0
    field.fill("bo")
    options.first.wait_for()
    field.press("ArrowDown")
    field.press("ArrowDown")
    active = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    assert active.inner_text() == "a picture of a boat"
    assert active.get_attribute("aria-selected") == "true"
    field.press("Enter")
    answered(page, "text-neighbours")
    assert field.input_value() == "a picture of a boat"
    assert field.get_attribute("aria-expanded") == "false"
    said = page.get_by_role("status").inner_text()
    assert "a picture of a boat" in said


def _drop(page, content, name, kind):
    page.evaluate(
        """([numbers, name, type]) => {
          const given = new DataTransfer();
          given.items.add(new File([new Uint8Array(numbers)], name, { type }));
          const event = (kind, Kind, key) =>
            new Kind(kind, { bubbles: true, cancelable: true, [key]: given });
          document.body.dispatchEvent(
            name === "pasted"
              ? event("paste", ClipboardEvent, "clipboardData")
              : event("drop", DragEvent, "dataTransfer"),
          );
        }""",
        [list(content), name, kind],
    )


@pytest.mark.parametrize("name", ["dropped", "pasted"])
def test_an_image_is_dropped_or_pasted(visit, name):
    page = visit()
    content = io.BytesIO()
    Image.effect_noise((50, 40), 80).convert("RGB").save(content, "PNG")
    _drop(page, content.getvalue(), name, "image/png")
    answered(page, "image-neighbours")
    assert page.locator("#preview canvas").is_visible()
    assert "image=own" in page.url


REFUSED = {
    "no image": (b"words", "text/plain", "is not an image"),
    "corrupt": (b"\x89PNG\r\n\x1a\n" + bytes(200), "image/png", "cannot be read as an image"),
    "unknown": (bytes(500), "", "cannot be read as an image"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_no_image_is_refused_in_a_sentence(visit, kind):
    content, media_type, message = REFUSED[kind]
    page = visit()
    _drop(page, content, "file", media_type)
    page.get_by_role("alert").filter(has_text=message).wait_for()
    assert page.locator("#results > section").count() == 0
    page.get_by_role("combobox", name="Text", exact=True).fill(TEXTS[0])
    page.keyboard.press("Enter")
    answered(page, "text-neighbours")


def test_an_oversized_file_and_an_oversized_picture_are_refused(visit, tmp_path):
    page = visit()
    large = tmp_path / "large.png"
    large.write_bytes(bytes(31_000_000))
    page.get_by_label("Your own image").set_input_files(large)
    page.get_by_role("alert").filter(has_text="31 MB").wait_for()
    wide = tmp_path / "wide.png"
    Image.new("1", (9000, 6000)).save(wide)
    page.get_by_label("Your own image").set_input_files(wide)
    page.get_by_role("alert").filter(has_text="9000").wait_for()


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


def test_the_page_works_without_a_network_once_it_was_used(visit, atlas):
    page = visit(f"#text={OWN_TEXT}&image={Python(atlas).images[2]}")
    answered(page, "maps", "text-neighbours")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    before = _answers(page)
    page.context.set_offline(True)
    page.reload()
    answered(page, "maps", "text-neighbours")
    assert _answers(page) == before
    assert page.evaluate("[...document.querySelectorAll('#maps img')].every((i) => i.naturalWidth)")
    page.get_by_role("combobox", name="Text", exact=True).fill("another text, never asked before")
    page.keyboard.press("Enter")
    page.locator("#text-neighbours h2").filter(has_text="never asked before").wait_for()


def test_without_scripts_or_webassembly_the_page_says_what_it_needs(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("#needs-script").is_visible()
    assert not page.locator("#ask").is_visible()
    page = visit(script="delete globalThis.WebAssembly;")
    assert page.locator("#needs-wasm").is_visible()
    assert not page.locator("#needs-script").is_visible()
    page.locator("#needs-wasm").get_by_role("link", name="demo-clip").click()
    assert page.locator("h1").inner_text() == "demo-clip"


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(visit, atlas, scheme):
    page = visit(
        f"#text={TEXTS[0]}&image={Python(atlas).images[0]}",
        viewport={"width": 390, "height": 844},
        color_scheme=scheme,
    )
    answered(page, "maps", "text-neighbours")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


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
    browser, atlas, tmp_path, monkeypatch, spoiled
):
    (tmp_path / "host").mkdir()
    for name, content in fetch_runtime().files.items():
        (tmp_path / "host" / name).write_bytes(content + b" " * spoiled)
    handler = partial(_OtherHost, directory=str(tmp_path / "host"))
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as host:
        with monkeypatch.context() as without_npm:
            without_npm.setenv("PATH", str(tmp_path))
            without_npm.setenv("XDG_CACHE_HOME", str(tmp_path))
            without_npm.setattr("headatlas.pages.search_export.CDN", host)
            assert shutil.which("npm") is None
            with few_published_heads():
                generate_site(atlas, tmp_path / "site")
        with _serving(make_server(tmp_path / "site", 0)) as address:
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


def test_a_link_within_the_page_leaves_the_question_in_the_address(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering", "text-neighbours")
    asked = page.url
    page.locator("#answering").evaluate("(section) => { section.dataset.mark = 'kept'; }")
    answers = page.get_by_role("navigation", name="Answers")
    answers.get_by_role("link", name="head by head").click()
    assert page.url == asked
    assert page.evaluate("document.activeElement.id") == "text-neighbours"
    assert page.locator("#text-neighbours").evaluate("(e) => e.getBoundingClientRect().top") < 100
    assert page.locator("#answering").get_attribute("data-mark") == "kept"


def _same_text_neighbours(page, python, text):
    """The page shows what Python finds for a text, in every head."""
    query = python.query(text)
    for head, name in enumerate(python.record.heads):
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None])
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())


def test_two_models_of_one_shape_never_mix(visit, atlas):
    page = visit()
    held = []
    page.context.route("**/demo-clip/texts-*.json", lambda route: held.append(route))
    field = page.get_by_role("combobox", name="Text", exact=True)
    with page.expect_request("**/demo-clip/texts-*.json"):
        field.fill(TEXTS[1])
        field.press("Enter")
    page.get_by_label("Model").select_option("twin")
    link = page.locator("#text-neighbours li[data-head] h3 a").first
    link.wait_for()
    assert "/twin/" in link.evaluate("(link) => link.href")
    _same_text_neighbours(page, Python(atlas, "twin"), TEXTS[1])
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    page.get_by_label("Model").select_option("demo-clip")
    page.locator("#text-neighbours h3 a[href*='/demo-clip/']").first.wait_for()
    _same_text_neighbours(page, Python(atlas, "demo-clip"), TEXTS[1])


def test_the_search_goes_on_after_its_worker_crashed(visit, atlas, photograph):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-neighbours")
    with page.expect_event("worker"):
        page.workers[0].evaluate("setTimeout(() => { throw new Error('crash'); })")
        page.wait_for_timeout(300)
        field = page.get_by_role("combobox", name="Text", exact=True)
        field.fill(TEXTS[1])
        field.press("Enter")
    page.locator("#text-neighbours h2").filter(has_text=TEXTS[1]).wait_for()
    answered(page, "maps", "text-neighbours", "image-neighbours")
    _same_text_neighbours(page, Python(atlas), TEXTS[1])
    assert len(page.workers) == 1


def test_answers_are_in_view_after_a_search_and_back_lands_where_they_were_left(visit):
    page = visit()
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[0])
    field.press("Enter")
    answered(page, "answering", "text-neighbours")
    page.wait_for_function("scrollY > 100")
    top = "() => document.querySelector('#results').getBoundingClientRect().top"
    assert -5 <= page.evaluate(top) < 100
    row = page.locator("#text-neighbours li[data-head] h3 a").nth(3)
    row.scroll_into_view_if_needed()
    page.wait_for_timeout(400)
    left = page.evaluate("scrollY")
    row.click()
    page.wait_for_url("**/demo-clip/**")
    page.go_back()
    answered(page, "answering", "text-neighbours")
    page.wait_for_function(f"Math.abs(scrollY - {left}) < 3")
    assert left < page.evaluate("document.documentElement.scrollHeight - innerHeight")


def test_the_title_names_the_question(visit, atlas):
    page = visit()
    usual = page.title()
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill(TEXTS[0])
    field.press("Enter")
    answered(page, "text-neighbours")
    assert page.title() == f"\u201c{TEXTS[0]}\u201d \u00b7 {usual}"
    page.get_by_label("Heads", exact=True).select_option("L1.H1")
    page.wait_for_function("document.title.includes('L1.H1')")
    page.go_back()
    page.wait_for_function("!document.title.includes('L1.H1')")


def test_a_second_text_is_taken_away_from_the_first_without_an_image_too(visit, atlas):
    page = visit(f"#text={TEXTS[0]}&minus={TEXTS[1]}")
    answered(page, "answering", "text-neighbours")
    python = Python(atlas)
    between = python.embed(TEXTS[0]) - python.embed(TEXTS[1])
    shares = python.text_shares(between)
    query = python.query(TEXTS[0]) - python.query(TEXTS[1])
    length = float(np.linalg.norm(between))
    for head, name in enumerate(python.record.heads):
        cell = page.locator(f"#answering td[data-head='{name}'] .value").inner_text()
        assert _number(cell) == pytest.approx(100 * shares[head], abs=0.051)
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None] / length)
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())
    assert f"vs \u201c{TEXTS[1]}\u201d" in page.locator("#answering h2").inner_text()


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (f"#minus={TEXTS[1]}", "Give a text too"),
        (f"#text={TEXTS[1]}&minus={TEXTS[1]}", "nothing between them"),
    ],
)
def test_a_second_text_with_nothing_to_take_it_from_is_said(visit, question, message):
    page = visit(question)
    page.get_by_role("alert").filter(has_text=message).wait_for()


def test_an_image_that_is_cropped_and_unlike_the_gallery_is_said(visit, atlas, photograph):
    page = visit()
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-neighbours")
    assert "390 \u00d7 512 pixels: the model sees no more" in page.locator("#preview").inner_text()
    python = Python(atlas)
    images = read_rows(python.folder / "embeddings.bin")[0][:, 0]
    own = python.encode(photograph)["embedding"].double().numpy()
    said = page.locator("#usual").inner_text()
    nearest_score, median, low = map(_number, re.findall(r"\u2212?\d\.\d\d", said))
    among = images @ images.T - 2 * np.eye(len(images))
    best = np.sort(among.max(axis=1))
    assert nearest_score == pytest.approx((images @ own).max(), abs=0.0051)
    assert median == pytest.approx(best[len(best) // 2], abs=0.0051)
    assert low == pytest.approx(best[len(best) // 20], abs=0.0051)
    assert ("read the answers with care" in said) == (nearest_score < low)


def test_an_own_image_of_the_kind_of_the_gallery_gets_no_warning_of_a_crop(visit):
    page = visit()
    content = io.BytesIO()
    Image.effect_noise((40, 40), 80).convert("RGB").save(content, "PNG")
    _drop(page, content.getvalue(), "dropped", "image/png")
    answered(page, "image-neighbours")
    assert page.locator("#preview figcaption span").inner_text() == "Your image"


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


def test_a_known_text_needs_no_program_that_runs_models(visit):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "answering", "text-neighbours")
    assert [each for each in page.context.asked if "ort-wasm" in each or ".onnx" in each] == []


@pytest.mark.parametrize("question", ["", f"#text={TEXTS[0]}", f"#text={OWN_TEXT}"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_jumps_while_the_page_loads_and_answers(visit, question, width):
    page = visit(
        question,
        viewport={"width": width, "height": 800},
        script="""window.moved = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            if (!entry.hadRecentInput) window.moved += entry.value;
          }
        }).observe({ type: 'layout-shift', buffered: true });""",
    )
    if question:
        answered(page, "answering", "text-neighbours")
    else:
        page.locator("#ask").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("window.moved") < 0.02


def test_pictures_that_cannot_be_had_without_a_network_say_what_they_show(visit, atlas):
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


def test_an_address_of_an_earlier_version_opens_and_becomes_a_fragment(visit, searched):
    page = visit(f"?text={TEXTS[2].replace(' ', '+')}&heads=L1.H0")
    answered(page, "answering", "text-neighbours")
    assert urlsplit(page.url).query == ""
    assert parse_qs(urlsplit(page.url).fragment) == {"text": [TEXTS[2]], "heads": ["L1.H0"]}
    assert page.locator("#text-neighbours li[data-head]").count() == 1
    assert page.evaluate("history.length") == 2
    # With the service worker not even the first request has the question.
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    page.goto(f"{searched}search/?text={TEXTS[2]}")
    answered(page, "text-neighbours")


def test_the_whole_model_is_asked_too(visit, atlas, photograph):
    page = visit(f"#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    page.get_by_label("Your own image").set_input_files(photograph)
    answered(page, "image-neighbours")
    python = Python(atlas)
    images = torch.tensor(read_rows(python.folder / "embeddings.bin")[0][:, 0])
    text = torch.tensor(read_rows(python.folder / "texts.bin")[0][0, 0])
    own = python.encode(photograph)["embedding"].double()
    for section, asked in (("text-neighbours", text), ("image-neighbours", own)):
        places, scores = top_k((images @ asked)[None], 8)
        row = page.locator(f"#{section} .whole li").first
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())


def test_how_fast_it_is_can_be_measured(visit):
    page = visit()
    page.get_by_role("button", name="Measure").click()
    said = page.locator("#measured").filter(has_text="median of 30")
    said.wait_for(timeout=60_000)
    assert "6 heads of demo-clip" in said.inner_text()
    assert "for the text encoder" in said.inner_text()


def test_pages_of_heads_images_and_properties_lead_to_a_search_with_them(visit, atlas, searched):
    python = Python(atlas)
    page = visit(f"#text={TEXTS[0]}")
    head, image = python.record.heads[1], python.images[4]
    page.goto(f"{searched}demo-clip/{head}/")
    page.get_by_role("link", name="Search with this head").click()
    page.locator("#ask").wait_for()
    assert page.get_by_label("Heads", exact=True).input_value() == head
    assert page.get_by_role("navigation", name="Site").locator("[aria-current]").inner_text() == (
        "Search"
    )
    page.goto(f"{searched}demo-clip/images/{image}/")
    page.get_by_role("link", name="Search with this image").click()
    answered(page, "image-neighbours")
    assert page.locator("[name=image]").input_value() == image
    bearers = python.record.properties[0]
    page.goto(f"{searched}demo-clip/properties/{bearers.slug}/")
    page.get_by_role("link", name="Search with th").click()
    page.locator("#ask").wait_for()
    assert page.get_by_label("Heads", exact=True).input_value() == f"property:{bearers.slug}"


def test_a_link_that_names_the_file_works_without_a_network_too(visit):
    page = visit(f"index.html#text={TEXTS[0]}")
    answered(page, "text-neighbours")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    page.reload()
    answered(page, "text-neighbours")


def _contrast(page, cells):
    """The lowest contrast of a cell's text with its ground, by WCAG's formula."""
    return page.locator(cells).evaluate_all(
        """(all) => {
          const context = document.createElement("canvas").getContext("2d");
          const luminance = (colours) => {
            context.clearRect(0, 0, 1, 1);
            for (const colour of colours) {
              context.fillStyle = colour;
              context.fillRect(0, 0, 1, 1);
            }
            const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)]
              .map((level) => level / 255)
              .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
          };
          const paper = getComputedStyle(document.body).backgroundColor;
          const contrasts = all.map((cell) => {
            const text = cell.querySelector("a");
            let opacity = 1;
            for (let at = text; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
            if (opacity !== 1) return 0;
            const ground = luminance([paper, getComputedStyle(cell).backgroundColor]);
            const ink = luminance([getComputedStyle(text).color]);
            return (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
          });
          return Math.min(...contrasts);
        }"""
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("heads", ["", "&heads=L1.H1"])
def test_every_cell_of_a_grid_of_answers_can_be_read(visit, atlas, scheme, heads):
    image = Python(atlas).images[0]
    page = visit(f"#text={TEXTS[0]}&image={image}{heads}", color_scheme=scheme)
    answered(page, "answering", "image-heads")
    page.wait_for_timeout(300)
    assert _contrast(page, ".score-grid td.head") >= 4.5
    regions = page.locator("#results [role=region]")
    names = regions.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    assert len(names) == len(set(names)) == 2


def test_warm_is_towards_and_cool_is_away_in_grids_as_in_maps(visit, atlas):
    page = visit(f"#image={Python(atlas).images[0]}")
    answered(page, "image-heads")
    page.wait_for_timeout(300)
    redder = page.locator("#image-heads td.head").evaluate_all(
        """(all) => all.map((cell) => {
          const context = document.createElement("canvas").getContext("2d");
          context.fillStyle = getComputedStyle(cell).backgroundColor;
          context.fillRect(0, 0, 1, 1);
          const [red, , blue] = context.getImageData(0, 0, 1, 1).data;
          return [cell.querySelector(".value").textContent, red - blue];
        })"""
    )
    values = sorted((_number(written), red) for written, red in redder)
    assert values[0][0] < 0 < values[-1][0]
    assert values[0][1] < values[-1][1]
    assert [red for _, red in values] == sorted(red for _, red in values)
