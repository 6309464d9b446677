"""The folder that a browser searches is whole, and holds what the analyses give."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import tiny_config, write_local_dir
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import normalize

from clipheads.browser.binary_rows import read_rows
from clipheads.browser.fidelity import MAX_ERROR, MIN_SAME
from clipheads.browser.projections import project
from clipheads.browser.search_files import RECORD
from clipheads.bundle.disk.hashing import sha256_file
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.search import SearchRecord
from clipheads.maths.neighbours import property_vectors
from clipheads.stages.build import build_model


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    write_local_dir(folder / "tiny", tiny_config())
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{index:02d}.png")
    (folder / "pool.csv").write_text(
        "text,property\na cat,animals\na dog,animals\nred,colours\nblue,colours\n"
    )
    (folder / "topics.csv").write_text("text,property\na cat,topics\nthe sea,places\n")
    (folder / "contrasts.csv").write_text("first,second\nthe sea,the sky\n")
    build_model(
        f"local-dir:{folder / 'tiny'}",
        gallery=folder / "photos",
        atlas=folder / "atlas",
        descriptions=folder / "pool.csv",
        topics=folder / "topics.csv",
        contrasts=folder / "contrasts.csv",
        device="cpu",
        export_image_encoder=True,
    )
    return folder / "atlas"


@pytest.fixture(scope="module")
def record(atlas: Path) -> SearchRecord:
    return SearchRecord.model_validate_json((atlas / "tiny/search" / RECORD).read_bytes())


def test_every_file_is_named_with_its_size_and_hash(atlas: Path, record: SearchRecord) -> None:
    folder = atlas / "tiny" / "search"
    for file in record.files.values():
        assert (folder / file.name).stat().st_size == file.bytes
        assert sha256_file(folder / file.name) == file.sha256
    inside = {path.name for path in folder.iterdir()} - {RECORD}
    assert {file.name for file in record.files.values()} == inside | {"../projections.onnx"}
    assert record.text_encoder is None
    assert record.image_encoder is not None
    assert record.projections.cosine_error <= MAX_ERROR
    assert record.projections.same_top_8 >= MIN_SAME


def test_rows_are_those_of_the_bundle(atlas: Path, record: SearchRecord) -> None:
    arrays = load_file(atlas / "tiny" / "coordinates.safetensors")
    units, (norms, shares) = read_rows(atlas / "tiny/search/coordinates.bin")
    expected = arrays["coordinates"].float()
    np.testing.assert_allclose(units * norms[..., None], expected.numpy(), atol=3e-5)
    np.testing.assert_allclose(shares, arrays["shares"].numpy(), atol=1e-6)
    images, _ = read_rows(atlas / "tiny/search/embeddings.bin")
    np.testing.assert_allclose(np.linalg.norm(images[:, 0], axis=-1), 1, atol=1e-4)
    manifest = (atlas / "gallery/manifest.json").read_bytes()
    assert len(GalleryManifest.model_validate_json(manifest).images) == len(units) == record.images


def test_every_text_is_there_once_with_its_embedding(atlas: Path, record: SearchRecord) -> None:
    texts = json.loads((atlas / "tiny/search/texts.json").read_bytes())
    assert [row["text"] for row in texts] == [
        "a cat", "a dog", "red", "blue", "the sea", "the sky",
    ]  # fmt: skip
    assert [row["kind"] for row in texts] == ["description"] * 4 + ["topic", "contrast"]
    rows, _ = read_rows(atlas / "tiny/search/texts.bin")
    assert len(rows) == record.texts == 6
    known = load_file(atlas / "tiny" / "descriptions.safetensors")["embeddings"]
    np.testing.assert_allclose(rows[:4, 0], known.numpy(), atol=3e-5)


def test_the_files_alone_give_the_neighbours_of_the_head_pages(
    atlas: Path, record: SearchRecord
) -> None:
    units, _ = read_rows(atlas / "tiny/search/coordinates.bin")
    texts = [row["text"] for row in json.loads((atlas / "tiny/search/texts.json").read_bytes())]
    rows, _ = read_rows(atlas / "tiny/search/texts.bin")
    queries = project(atlas / "tiny" / "projections.onnx", rows[:, 0])
    for place, name in enumerate(record.heads):
        path = atlas / "tiny" / "heads" / f"{name}.json"
        head = HeadRecord.model_validate_json(path.read_bytes())
        for described in head.descriptions:
            scores = units[:, place] @ queries[texts.index(described.text), place]
            best = np.sort(scores)[::-1][: len(described.neighbours)]
            near = [each.score for each in described.neighbours]
            np.testing.assert_allclose(best, near, atol=2 * MAX_ERROR)


def test_properties_are_mean_contributions_at_unit_length(
    atlas: Path, record: SearchRecord
) -> None:
    basis = load_file(atlas / "tiny" / "basis.safetensors")["basis"]
    coordinates = load_file(atlas / "tiny" / "coordinates.safetensors")["coordinates"]
    assert record.properties
    for each in record.properties:
        bearing = [record.heads.index(head) for head in each.heads]
        expected = normalize(property_vectors(coordinates, basis, bearing), dim=-1)
        rows, _ = read_rows(atlas / "tiny/search" / record.files[each.file].name)
        torch.testing.assert_close(torch.tensor(rows[:, 0]), expected, atol=3e-5, rtol=0)


def test_the_basis_projects_texts_as_the_exported_projections_do(
    atlas: Path, record: SearchRecord
) -> None:
    texts, _ = read_rows(atlas / "tiny/search/texts.bin")
    basis, _ = read_rows(atlas / "tiny/search/basis.bin")
    assert basis.shape == (len(record.heads), record.rank, record.dimension)
    queries = np.einsum("nd,hrd->nhr", texts[:, 0], basis)
    exported = project(atlas / "tiny/projections.onnx", texts[:, 0])
    np.testing.assert_allclose(queries, np.asarray(exported), atol=2e-3)
    np.testing.assert_allclose(
        np.einsum("hrd,hsd->hrs", basis, basis),
        np.broadcast_to(np.eye(record.rank), (len(record.heads), record.rank, record.rank)),
        atol=1e-3,
    )
