"""What the search page shows, read from it, and what Python answers from the same files."""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from synthetic_search import CONTEXT, SIDE, TEXTS, read_rows

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.search import SearchRecord
from clipheads.gallery.pictures import open_image
from clipheads.maths.neighbours import nearest, text_neighbours
from clipheads.model.open_clip_import import import_open_clip

OWN_TEXT = "a photo of a Zebra\u2019s caf\u00e9"


def answered(page, *sections):
    """Wait until these sections are shown."""
    for name in sections:
        page.locator(f"#results > #{name}").wait_for(timeout=15_000)
    assert not page.locator("#problem").is_visible(), page.locator("#problem").inner_text()


def all_answers(page):
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


@cache
def python_answers(atlas: Path, name: str = "demo-clip") -> Python:
    """What Python answers for a model, read once."""
    return Python(atlas, name)


def number(written):
    """A number as the page writes it, with a sign and perhaps a unit."""
    return float(written.replace("\u2212", "-").replace("+", "").rstrip("%"))


def strip(row):
    """The images of a row of neighbours and their scores, as shown."""
    links, scores = row.evaluate(
        """(row) => [
          [...row.querySelectorAll(".strip a.thumb")].map((link) => link.getAttribute("href")),
          [...row.querySelectorAll(".score")].map((score) => score.innerText),
        ]"""
    )
    return [link.split("/")[-2] for link in links], [number(score) for score in scores]


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


def same_text_neighbours(page, python, text):
    """The page shows what Python finds for a text, in every head."""
    query = python.query(text)
    for head, name in enumerate(python.record.heads):
        places, scores = text_neighbours(python.coordinates[:, head], query[head][None])
        row = page.locator(f"#text-neighbours li[data-head='{name}']")
        same_strip(row, [python.images[place] for place in places[0]], scores[0].tolist())


def drop(page, content, name, kind):
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
