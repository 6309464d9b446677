"""A build gives a whole bundle, whose numbers are those of the model itself."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_builds import (
    STAGES,
    build,
    built_stages,
    bytes_of,
    heads_of,
    model_of,
)

from clipheads.browser.fidelity import MAX_ERROR
from clipheads.browser.projections import project
from clipheads.bundle.errors import AtlasError, GalleryError, ModelError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.images import ImagesRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.pool import PoolRecord
from clipheads.gallery.pictures import open_image
from clipheads.gallery.transforms import all_transforms
from clipheads.maths.attention import class_token_attention
from clipheads.maths.decomposition import decompose_patches
from clipheads.model.load import load_model
from clipheads.model.text import embed_texts
from clipheads.stages.build import BuildReport, folder_name


def test_the_bundle_is_whole(built: BuildReport) -> None:
    assert list(built.stages) == STAGES == built_stages(built)
    model = model_of(built)
    assert (built.model, model.name, built.images) == ("tiny", "tiny", 14)
    assert [head.id for head in model.heads] == [
        f"L{layer}.H{head}" for layer in range(6) for head in range(2)
    ]
    assert model.reconstruction_error < 1e-5
    assert sum(term.mean_share for term in model.terms) == pytest.approx(1, abs=1e-4)
    assert sum(term.variance_share for term in model.terms) == pytest.approx(1, abs=1e-4)
    attention = [term.mean_share for term in model.terms if term.kind == "attention"]
    heads = [sum(h.mean_share for h in model.heads if h.layer == layer) for layer in range(6)]
    assert heads == pytest.approx(attention, abs=1e-4)
    assert model.scores.layers == [2, 3, 4, 5]
    assert model.scores.heads == 8

    manifest = GalleryManifest.model_validate_json(
        (built.folder.parent / "gallery/manifest.json").read_text()
    )
    assert model.gallery_sha256 == manifest.sha256
    ids = [image.id for image in manifest.images]
    assert ids[0] == "picture-00"
    images = ImagesRecord.model_validate_json((built.folder / "images.json").read_text())
    assert list(images.images) == ids
    arrays = load_file(built.folder / "coordinates.safetensors")
    assert arrays["coordinates"].shape == (14, 12, 35)
    assert arrays["shares"].shape == (14, 12)
    assert arrays["embeddings"].shape == (14, 48)
    assert load_file(built.folder / "basis.safetensors")["basis"].shape == (12, 48, 35)
    assert load_file(built.folder / "neighbours.safetensors")["images"].shape == (12, 14, 8)
    assert not list(built.folder.glob(".*"))


def test_every_map_is_the_topic_in_the_head_over_the_image(
    built: BuildReport, inputs: Path
) -> None:
    maps = load_file(built.folder / "heatmaps.safetensors")["maps"].float()
    record = heads_of(built)[9]
    shown = record.topics[1]
    model = load_model(f"local-dir:{inputs / 'tiny'}", device="cpu")
    file = inputs / "photos" / f"{shown.maps[2].image}.png"
    pixels = model.preprocess(open_image(file))[None]
    tokens = decompose_patches(model, pixels, [(record.layer, record.head)])[0, 0]
    basis = load_file(built.folder / "basis.safetensors")["basis"][9]
    text = embed_texts(model, [shown.text])[0]
    expected = (17 * (tokens @ (text @ basis)))[1:].reshape(4, 4)
    torch.testing.assert_close(maps[shown.maps[2].map], expected, atol=1e-5, rtol=2e-3)
    shown_maps = [contrast.maps for contrast in model_of(built).contrasts]
    for head in heads_of(built):
        shown_maps += [topic.maps for topic in head.topics]
        shown_maps += [description.maps for description in head.descriptions]
    used = {one.map for group in shown_maps for one in group}
    assert used == set(range(len(maps)))


def test_attention_is_that_of_each_head_over_its_own_top_images(
    built: BuildReport, inputs: Path
) -> None:
    model = load_model(f"local-dir:{inputs / 'tiny'}", device="cpu")
    for record in heads_of(built)[::5]:
        assert len(record.attention) == 6
        for share, attention in zip(record.strongest, record.attention, strict=False):
            file = inputs / "photos" / f"{share.image}.png"
            pixels = model.preprocess(open_image(file))[None]
            (expected,) = class_token_attention(model, pixels, [(record.layer, record.head)])[0]
            found = torch.tensor(attention.patches)
            torch.testing.assert_close(found, expected[1:].reshape(4, 4), atol=1e-5, rtol=0)
            assert attention.class_token == pytest.approx(float(expected[0]), abs=1e-5)


def test_every_image_is_in_the_distributions_of_every_head(built: BuildReport) -> None:
    model, arrays = model_of(built), load_file(built.folder / "coordinates.safetensors")
    basis = load_file(built.folder / "basis.safetensors")["basis"].double()
    texts = load_file(built.folder / "descriptions.safetensors")["embeddings"].double()
    pool = PoolRecord.model_validate_json((built.folder / "pool.json").read_text())
    rows = {row.text: texts[at] for at, row in enumerate(pool.texts)}
    for head, record in enumerate(heads_of(built)):
        found, label = record.spread, record.spread.label
        assert model.heads[head].effective_dimension == found.effective_dimension
        assert 1 <= found.effective_dimension <= 13
        assert label is not None
        matching = [row.text for row in record.descriptions if row.matches_label]
        assert label.text == (matching or [record.descriptions[0].text])[0]
        contributions = arrays["coordinates"][:, head].double() @ basis[head].T
        values = (contributions @ rows[label.text]).tolist()
        assert label.values.quantiles[0::10] == pytest.approx([min(values), max(values)], abs=2e-6)
        assert sum(label.values.counts) == model.gallery_images
        shares = [direction.share for direction in found.principal]
        assert len(shares) == 3
        assert shares == sorted(shares, reverse=True)
        assert label.share <= shares[0]
        # The first three principal directions are at best what ten texts explain.
        assert shares[0] <= sum(shares) <= record.explained_by_best + 1e-6


def test_swapping_a_contrast_flips_the_sign_of_its_map(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    shutil.copytree(built.folder.parent, tmp_path / "atlas")
    swapped = tmp_path / "swapped.csv"
    swapped.write_text("first,second\na dog,a cat\nthe sky,a cat\n")
    report = build(inputs, tmp_path / "atlas", contrasts=swapped)
    for one, other in zip(model_of(built).contrasts, model_of(report).contrasts, strict=True):
        assert (one.first, one.second) == (other.second, other.first)
        for left, right in zip(one.maps, other.maps, strict=True):
            assert left.image == right.image
            torch.testing.assert_close(
                load_file(built.folder / "heatmaps.safetensors")["maps"][left.map],
                -load_file(report.folder / "heatmaps.safetensors")["maps"][right.map],
                atol=1e-3,
                rtol=1e-2,
            )


def test_the_projections_are_those_of_the_basis(built: BuildReport) -> None:
    basis = load_file(built.folder / "basis.safetensors")["basis"].numpy()
    text = np.random.default_rng(0).standard_normal((2, 48)).astype(np.float32)
    text /= np.linalg.norm(text, axis=-1, keepdims=True)
    np.testing.assert_allclose(
        project(built.folder / "projections.onnx", text),
        np.einsum("nd,hdr->nhr", text, basis),
        atol=MAX_ERROR,
    )


def test_the_same_inputs_give_the_same_bytes(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    build(inputs, tmp_path / "atlas")
    assert bytes_of(tmp_path / "atlas") == bytes_of(built.folder.parent)


def test_answers_of_the_bundle_change_as_its_coordinates_say(built: BuildReport) -> None:
    """With c = By written out, and e − c + c̄ asked which text of a property is closest."""
    stored = load_file(built.folder / "coordinates.safetensors")
    bases = load_file(built.folder / "basis.safetensors")["basis"]
    texts = load_file(built.folder / "descriptions.safetensors")["embeddings"]
    rows = PoolRecord.model_validate_json((built.folder / "pool.json").read_text()).texts
    names = {row.property for row in rows}
    asked = {name: [i for i, row in enumerate(rows) if row.property == name] for name in names}
    for at, head in enumerate(heads_of(built)):
        c = stored["coordinates"][:, at] @ bases[at].T
        ablated = stored["embeddings"] - c + c.mean(dim=0)
        shares = {
            name: float(
                (
                    (stored["embeddings"] @ texts[own].T).argmax(1)
                    != (ablated @ texts[own].T).argmax(1)
                )
                .double()
                .mean()
            )
            for name, own in asked.items()
        }
        effects = {row.property: row.changed for row in head.ablation.questions}
        assert effects == pytest.approx(shares, abs=1e-6)
        assert head.ablation.answers_changed is not None
        overall = head.ablation.answers_changed.value
        assert overall == pytest.approx(np.mean(list(shares.values())), abs=1e-6)


def test_a_profile_is_part_of_the_records_only_if_it_is_wanted(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    names = [one.name for one in all_transforms(["a", "b"])]
    profile = model_of(built).profile
    assert profile is not None
    assert (profile.images, profile.words[0]) == (3, "dog")
    assert [one.name for one in profile.transforms] == names
    for head in heads_of(built):
        assert head.profile is not None
        assert [one.transform for one in head.profile.effects] == names
        assert all(one.low <= one.effect <= one.high for one in head.profile.effects)
    means = [one.mean for one in profile.transforms]
    effects = [head.profile.effects for head in heads_of(built) if head.profile]
    for place, mean in enumerate(means):
        assert np.mean([one[place].effect for one in effects]) == pytest.approx(mean, abs=1e-5)

    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    report = build(inputs, atlas, profile=0)
    assert built_stages(report) == ["records"]
    assert model_of(report).profile is None
    assert {head.profile for head in heads_of(report)} == {None}
    report = build(inputs, atlas)
    assert built_stages(report) == ["records"]
    assert bytes_of(atlas) == bytes_of(built.folder.parent)

    words = tmp_path / "words.csv"
    words.write_text("word,text\nsun,a photo of the sun\nmoon,a photo of the moon\n")
    report = build(inputs, atlas, words=words)
    assert built_stages(report) == ["profile", "records"]
    assert (model_of(report).profile or profile).words == ["sun", "moon"]


def test_the_last_four_layers_alone(built: BuildReport, inputs: Path, tmp_path: Path) -> None:
    report = build(inputs, tmp_path / "atlas", layers="last4")
    model, whole = model_of(report), model_of(built)
    assert model.layers == [2, 3, 4, 5]
    assert model.terms == whole.terms
    late = [head for head in whole.heads if head.layer >= 2]
    # The nearest head is the nearest of those that there are.
    without = {"nearest_cka": None}
    assert [head.model_copy(update=without) for head in model.heads] == [
        head.model_copy(update=without) for head in late
    ]
    assert model.scores == whole.scores
    # Contrasts are sums over the heads of the bundle, so these alone may differ.
    assert len(list((report.folder / "heads").iterdir())) == 8


def test_a_broken_image_is_named_and_the_rest_is_built(inputs: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(inputs / "photos", photos)
    (photos / "aaa.png").write_text("no image")
    report = build(inputs, tmp_path / "atlas", gallery=photos)
    assert report.images == 14
    assert [one.file for one in report.skipped] == ["aaa.png"]
    assert build(inputs, tmp_path / "atlas", gallery=photos).skipped == report.skipped


def test_a_gallery_of_one_image_is_built(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(inputs / "photos/picture-00.png", tmp_path / "photos")
    report = build(inputs, tmp_path / "atlas", gallery=tmp_path / "photos")
    heads = heads_of(report)
    assert {head.label.text for head in heads} == {None}
    assert all(head.descriptions == [] for head in heads)
    assert all(head.spread.label is None and head.spread.principal == [] for head in heads)
    assert all(head.spread.effective_dimension == 0 for head in heads)
    assert load_file(report.folder / "neighbours.safetensors")["images"].shape == (12, 1, 0)


def test_bad_input_is_one_clear_line(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AtlasError, match="cannot write there"):
        build(inputs, tmp_path / "file" / "atlas")
    with pytest.raises(GalleryError, match="no image files"):
        build(inputs, tmp_path / "atlas", gallery=tmp_path / "empty")
    with pytest.raises(AtlasError, match="no such file"):
        build(inputs, tmp_path / "atlas", descriptions=tmp_path / "lost.csv")
    assert not (tmp_path / "atlas").exists()


def test_names_of_models_become_folders() -> None:
    assert folder_name("ViT-B-32_openai") == "ViT-B-32_openai"
    assert folder_name("hf/my model (2)") == "hf-my-model-2-"
    for taken in ("gallery", "Gallery", "index.html", "404.html", "stages.json"):
        with pytest.raises(ModelError, match="needs that address"):
            folder_name(taken)
    for unusable in ("модель", "...", "x" * 300):
        with pytest.raises(ModelError, match="its name becomes an address"):
            folder_name(unusable)


def test_a_lower_precision_is_recorded_with_its_error(
    inputs: Path, built: BuildReport, tmp_path: Path
) -> None:
    report = build(inputs, tmp_path / "atlas", precision="bf16")
    exact, lower = (
        ModelRecord.model_validate_json((folder / "model.json").read_bytes())
        for folder in (built.folder, report.folder)
    )

    assert (exact.precision, exact.precision_error) == ("fp32", 0)
    assert lower.precision == "bf16"
    assert 1e-6 < lower.precision_error < 0.03
    assert lower.reconstruction_error <= 1e-5


def test_a_model_whose_encoder_cannot_be_exported_is_refused_before_anything_is_computed(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipheads.browser.encoders.tokenizer_facts", lambda _model: None)
    with pytest.raises(ModelError, match=r"text encoder of tiny .* tokenizer is not CLIP's own"):
        build(inputs, tmp_path / "atlas", export_text_encoder=True)
    assert list((tmp_path / "atlas").rglob("*.safetensors")) == []
