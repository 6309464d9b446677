"""The search page over the demo CLIP itself: what it answers is what torch answers.

The encoders in the browser have compact weights. So scores may differ by what the export
measured, and an image may take the place of another whose score is as near.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
import torch
from few_published import few_published_heads
from PIL import Image
from serving import serving
from torch.nn.functional import normalize

from clipheads.browser.fidelity import MAX_ENCODER_ERROR
from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.search import SearchRecord
from clipheads.demo_world.world.gallery import choose_scenes
from clipheads.demo_world.world.scenes import draw_scene
from clipheads.demo_world.world.sprites import default_sprites
from clipheads.gallery.pictures import open_image
from clipheads.maths.decomposition import contributions, decompose, decompose_patches, head_basis
from clipheads.maths.heat_maps import contrast_map, topic_map
from clipheads.maths.neighbours import property_vectors
from clipheads.model.load import load_model
from clipheads.stages.build import build_model
from headatlas.publish.check import check_site
from headatlas.publish.serve import make_server
from headatlas.runtime.onnxruntime_web import fetch_runtime
from headatlas.site import generate_site

TEXT = "a photo of a red apple on a striped background"
OTHER = "blue dots"
SCENES = 60
DIGITS = 0.0051
"""Scores are shown with two digits."""


@dataclass
class Torch:
    """What torch says of the demo CLIP over the gallery."""

    folder: object
    model: object
    record: SearchRecord
    images: list[str]
    basis: torch.Tensor
    """[H, D, r]"""
    gallery: torch.Tensor
    """Coordinates [N, H, r]."""
    embeddings: torch.Tensor
    rest: torch.Tensor
    """Contributions of the MLPs and the input together [N, D]."""

    def text(self, text):
        """The unit embedding [D] of a text."""
        with torch.no_grad():
            return normalize(self.model.clip.encode_text(self.model.tokenize([text])), dim=-1)[0]

    def query(self, text):
        """Bᵀt [H, r]."""
        return torch.einsum("d,hdr->hr", self.text(text), self.basis)

    def pixels(self, path):
        """The pixels [1, 3, S, S] of an image file."""
        return self.model.preprocess(open_image(path))[None]

    def heads(self):
        """All (layer, head) in the order of the export."""
        return [tuple(map(int, name[1:].split(".H"))) for name in self.record.heads]


@pytest.fixture(scope="module")
def torchs(tmp_path_factory):
    """The demo world, smaller than the command draws it, built as the command builds it."""
    if fetch_runtime().reason:
        pytest.skip("onnxruntime-web is neither in the cache nor to be had from npm")
    folder = tmp_path_factory.mktemp("demo")
    sprites = default_sprites()
    (folder / "gallery").mkdir()
    for scene in choose_scenes(SCENES, sprites):
        pixels, _ = draw_scene(scene, 160, sprites)
        Image.fromarray(pixels).save(folder / "gallery" / f"scene-{scene.seed:05d}.png")
    name = f"local-dir:{data_file('demo', 'demo-clip')}"
    build_model(
        name,
        gallery=folder / "gallery",
        atlas=folder / "atlas",
        device="cpu",
        descriptions=data_file("demo", "descriptions.csv"),
        topics=data_file("demo", "topics.csv"),
        contrasts=data_file("demo", "contrasts.csv"),
        export_text_encoder=True,
        export_image_encoder=True,
    )
    with few_published_heads():
        generate_site(folder / "atlas", folder / "site")
    (bundle,) = (path.parent for path in folder.glob("atlas/*/model.json"))
    record = SearchRecord.model_validate_json((bundle / "search" / "search.json").read_bytes())
    model = load_model(name, device="cpu")
    basis = head_basis(model).flatten(0, 1)
    files = sorted((folder / "gallery").glob("*.png"))
    found = {}
    for path in files:
        parts = decompose(model, model.preprocess(open_image(path))[None])
        found[path.stem] = (
            parts.coordinates.flatten(1, 2)[0],
            normalize(parts.embedding, dim=-1)[0],
            parts.mlps.sum(dim=1)[0] + parts.input[0],
        )
    return Torch(
        folder,
        model,
        record,
        list(found),
        basis,
        *(torch.stack(parts) for parts in zip(*found.values(), strict=True)),
    )


@pytest.fixture(scope="module")
def searched(torchs):
    """The address of the served site."""
    with serving(make_server(torchs.folder / "site", 0)) as address:
        yield address


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A real photograph, wider than high."""
    data = pytest.importorskip("skimage.data")
    path = tmp_path_factory.mktemp("photograph") / "cat.jpg"
    Image.fromarray(data.chelsea()).save(path, quality=90)
    return path


@pytest.fixture
def ask(browser, searched):
    """Opens the search page with a question; what is asked of other hosts is noted and refused."""
    contexts = []

    def open_it(**question):
        context = browser.new_context()
        context.set_default_timeout(20_000)
        context.elsewhere = []
        host = urlsplit(searched).netloc

        def refuse(route):
            context.elsewhere.append(route.request.url)
            route.abort()

        context.route(lambda url: urlsplit(url).netloc != host, refuse)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{searched}search/#{urlencode(question)}")
        return page

    yield open_it
    for context in contexts:
        assert context.elsewhere == []
        assert [page.complaints for page in context.pages] == [[] for _ in context.pages]
        context.close()


def _share(products, whole):
    """cov(⟨c, t⟩, ⟨f, t⟩) / var⟨f, t⟩."""
    products, whole = products.double() - products.mean(), whole.double() - whole.mean()
    return float((products * whole).mean() / (whole * whole).mean())


def _percent(written):
    return float(written.replace("\N{MINUS SIGN}", "-").lstrip("+").rstrip("%")) / 100


def _shown(page, section):
    """Wait for a section and give it, with all of its rows."""
    found = page.locator(f"#results > #{section}")
    found.wait_for()
    more = found.get_by_role("button", name="Show all")
    if more.count():
        more.click()
    return found


def _images(links):
    """The images that links lead to; on the site an image has the name of its file."""
    return [link.split("/")[-2] for link in links]


def _same_answers(row, cosines, images, error):
    """A row shows the nearest images, with their scores, but for an error of the scores."""
    links = row.locator(".strip a.thumb").evaluate_all("(all) => all.map((a) => a.href)")
    scores = [
        text.replace("\N{MINUS SIGN}", "-") for text in row.locator(".score").all_inner_texts()
    ]
    exact = dict(zip(images, cosines.tolist(), strict=True))
    shown = [exact[image] for image in _images(links)]
    assert [float(score) for score in scores] == pytest.approx(shown, abs=error + DIGITS)
    assert len(set(links)) == len(shown)
    best = sorted(exact.values(), reverse=True)[: len(shown)]
    assert sorted(shown, reverse=True) == pytest.approx(best, abs=2 * error + 1e-4)
    return _images(links) == sorted(exact, key=lambda image: -exact[image])[: len(shown)]


def test_the_demo_site_with_its_search_passes_the_check(torchs):
    assert check_site(torchs.folder / "site") == []
    sizes = [torchs.record.files[f"{kind}_encoder"].bytes for kind in ("text", "image")]
    assert sum(sizes) <= 12_000_000


def test_neighbours_of_a_text_per_head(ask, torchs):
    page = ask(text=TEXT)
    section = _shown(page, "text-neighbours")
    query = torchs.query(TEXT)
    same = []
    whole = torchs.embeddings @ torchs.text(TEXT)
    shares = {}
    for head, name in enumerate(torchs.record.heads):
        products = torchs.gallery[:, head] @ query[head]
        cosines = products / torchs.gallery[:, head].norm(dim=-1)
        row = section.locator(f"li[data-head='{name}']")
        same.append(_same_answers(row, cosines, torchs.images, MAX_ENCODER_ERROR))
        shares[name] = _share(products, whole)
    assert np.mean(same) > 0.8
    shown = page.locator("#answering td[data-head]").all()
    assert len(shown) == len(torchs.record.heads)
    for cell in shown:
        value = _percent(cell.locator(".value").inner_text())
        assert value == pytest.approx(shares[cell.get_attribute("data-head")], abs=0.005)
    rest = _share(torchs.rest @ torchs.text(TEXT), whole)
    assert sum(shares.values()) + rest == pytest.approx(1, abs=1e-4)
    said = page.locator("#answering .sum").inner_text()
    shown_rest = _percent(said.split("are not listed here) make ")[1].split(",")[0])
    assert shown_rest == pytest.approx(rest, abs=0.02)
    whole = section.locator(".whole li").first
    _same_answers(whole, torchs.embeddings @ torchs.text(TEXT), torchs.images, 1e-2)


def test_neighbours_of_a_description_are_those_of_the_head_page(ask, torchs):
    (folder,) = (path for path in torchs.folder.glob("atlas/*") if (path / "model.json").is_file())
    name = torchs.record.heads[-1]
    record = HeadRecord.model_validate_json((folder / "heads" / f"{name}.json").read_bytes())
    described = record.descriptions[0]
    page = ask(text=described.text, heads=name)
    row = _shown(page, "text-neighbours").locator(f"li[data-head='{name}']")
    links = row.locator(".strip a.thumb").evaluate_all("(all) => all.map((a) => a.href)")
    assert _images(links) == [near.image for near in described.neighbours]


def test_neighbours_of_an_own_image_per_head_and_by_property(ask, torchs, photograph):
    page = ask()
    page.get_by_label("Your own image").set_input_files(photograph)
    section = _shown(page, "image-neighbours")
    parts = decompose(torchs.model, torchs.pixels(photograph))
    own = parts.coordinates.flatten(1, 2)[0]
    for head, name in enumerate(torchs.record.heads):
        cosines = torch.nn.functional.cosine_similarity(torchs.gallery[:, head], own[head], dim=-1)
        row = section.locator(f"li[data-head='{name}']")
        _same_answers(row, cosines, torchs.images, 2 * MAX_ENCODER_ERROR)
    assert torchs.record.properties
    by_property = _shown(page, "property-neighbours")
    for each in torchs.record.properties:
        bearers = [torchs.record.heads.index(head) for head in each.heads]
        vectors = property_vectors(torchs.gallery, torchs.basis, bearers)
        asked = property_vectors(own[None], torchs.basis, bearers)
        cosines = torch.nn.functional.cosine_similarity(vectors, asked, dim=-1)
        row = by_property.locator(f"li[data-property='{each.slug}']")
        _same_answers(row, cosines, torchs.images, 2 * MAX_ENCODER_ERROR)


def test_heads_that_make_an_own_image(ask, torchs, photograph):
    page = ask()
    page.get_by_label("Your own image").set_input_files(photograph)
    page.locator("#image-heads").wait_for()
    parts = decompose(torchs.model, torchs.pixels(photograph))
    written = contributions(parts, head_basis(torchs.model)).flatten(1, 2)[0]
    shares = written @ normalize(parts.embedding, dim=-1)[0]
    (path,) = torchs.folder.glob("atlas/*/model.json")
    means = [head.mean_share for head in ModelRecord.model_validate_json(path.read_bytes()).heads]
    for head, name in enumerate(torchs.record.heads):
        excess = _percent(page.locator(f"#image-heads td[data-head='{name}'] .value").inner_text())
        assert excess == pytest.approx(float(shares[head]) - means[head], abs=0.004)


def _grid_of(canvas):
    """A heat map as drawn, from -1 to 1."""
    read = (
        "(canvas) => [...canvas.getContext('2d').getImageData"
        "(0, 0, canvas.width, canvas.height).data]"
    )
    height, width = canvas.evaluate("(canvas) => [canvas.height, canvas.width]")
    pixels = np.array(canvas.evaluate(read)).reshape(height, width, 4)
    # The warm colour is redder than it is blue.
    return np.where(pixels[..., 0] > pixels[..., 2], 1, -1) * pixels[..., 3] / pixels[..., 3].max()


def _same_map(canvas, expected):
    expected = (expected / expected.abs().max()).numpy()
    drawn = _grid_of(canvas)
    assert drawn.shape == expected.shape
    assert np.corrcoef(drawn.ravel(), expected.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(drawn, expected, atol=0.1)


def test_heat_maps_of_a_text_and_of_two_texts_on_an_own_image(ask, torchs, photograph):
    page = ask(text=TEXT, minus=OTHER)
    page.locator("#answering").wait_for()
    page.get_by_label("Your own image").set_input_files(photograph)
    page.locator("#contrast").wait_for()
    grid = torchs.record.grid
    patches = decompose_patches(torchs.model, torchs.pixels(photograph), torchs.heads())[0]
    first, second = torchs.query(TEXT), torchs.query(OTHER)
    figures = page.locator("#maps figure[data-head]").all()
    assert len(figures) == min(24, len(torchs.record.heads))
    for figure in figures:
        head = torchs.record.heads.index(figure.get_attribute("data-head"))
        both = first[head] - second[head]
        _same_map(figure.locator("canvas.map"), topic_map(patches[head], both, grid))
    canvas = page.locator("#contrast canvas.map")
    _same_map(canvas, contrast_map(patches, first, second, grid))


def test_the_page_is_light_before_anything_is_asked(ask):
    page = ask()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.locator("#ask").wait_for()
    page.wait_for_load_state("networkidle")
    assert len(asked) >= 5
    assert sum(len(page.request.get(address).body()) for address in asked) <= 150_000


ALL_PICTURES_ARE_KEPT = """async () => {
  for (;;) {
    const kept = await Promise.all([...document.images].map(({ src }) => caches.match(src)));
    if (kept.every(Boolean)) return;
    await new Promise((done) => setTimeout(done, 50));
  }
}"""


def test_an_address_answers_the_same_elsewhere_and_without_a_network(ask, torchs):
    question = {"text": TEXT, "minus": OTHER, "image": torchs.images[7], "heads": "L1.H1"}
    pages = [ask(**question) for _ in range(2)]
    said = []
    for page in pages:
        page.locator("#property-neighbours, #image-neighbours").first.wait_for()
        said.append(_said(page))
    assert said[0] == said[1]
    assert TEXT in said[0]
    (page, _) = pages
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.evaluate(ALL_PICTURES_ARE_KEPT)
    page.context.set_offline(True)
    page.reload()
    page.locator("#image-neighbours").wait_for()
    assert _said(page) == said[0]
    field = page.get_by_role("combobox", name="Text", exact=True)
    field.fill("something never asked before")
    field.press("Enter")
    page.locator("#text-neighbours h2").filter(has_text="never asked").wait_for()
    page.go_back()
    page.locator("#text-neighbours h2").filter(has_text=TEXT).wait_for()
    assert _said(page) == said[0]
    page.complaints.clear()  # pictures that were never shown are missing, and the console says so


def _said(page):
    took = page.locator(".took").inner_text()  # which comes last, when all is said
    return page.locator("#results").inner_text().replace(took, "")
