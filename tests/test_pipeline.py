"""A build is whole, the same each time, done once, and resumes where it was interrupted."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import tiny_config, write_local_dir
from PIL import Image
from safetensors.torch import load_file

from clipheads.browser.fidelity import MAX_ERROR
from clipheads.browser.projections import project
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.errors import AtlasError, GalleryError, ModelError
from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.images import ImagesRecord
from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.pool import PoolRecord
from clipheads.bundle.progress import Advance
from clipheads.bundle.record import FORMAT
from clipheads.gallery.pictures import open_image
from clipheads.gallery.transforms import all_transforms
from clipheads.labels.labeller import HeadLabels
from clipheads.maths.attention import class_token_attention
from clipheads.maths.decomposition import decompose_patches
from clipheads.maths.patching import Ablated, ablate
from clipheads.model.load import load_model
from clipheads.model.text import embed_texts
from clipheads.stages import ablation as ablation_stage
from clipheads.stages import attention as attention_stage
from clipheads.stages import contributions as contributions_stage
from clipheads.stages import heat_maps as heat_maps_stage
from clipheads.stages import profile as profile_stage
from clipheads.stages.build import BuildReport, build_model, folder_name
from clipheads.stages.transform_pass import transformed_coordinates
from clipheads.texts.pools import Description

STAGES = [
    "gallery",
    "checkpoint",
    "pool",
    "descriptions",
    "topics",
    "contributions",
    "textspan",
    "neighbours",
    "heat maps",
    "map noise",
    "attention",
    "profile",
    "ablation",
    "relatives",
    "spread",
    "directions",
    "projections",
    "labels",
    "answers",
    "search",
    "records",
]
PASSES = {"contributions", "heat maps", "map noise", "attention"}
"""Those that open images, beside the profile."""
POOL = """text,property
a red picture,colours
a blue picture,colours
a green picture,colours
a cat,animals
a dog,animals
a bird,animals
one thing,counts
two things,counts
three things,counts
noise,patterns
stripes,patterns
dots,patterns
"""


class Watched:
    """A progress that keeps what it is told, and can break off at a step."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.notes: list[str] = []
        self.done: dict[str, int] = {}
        self.totals: dict[str, int] = {}
        self.stop = stop

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """Count the steps of a stage."""
        self.totals[name] = total

        def advance(steps: int) -> None:
            self.done[name] = self.done.get(name, 0) + steps
            if self.stop and self.stop[0] == name and self.done[name] >= self.stop[1]:
                raise KeyboardInterrupt

        yield advance

    def note(self, message: str) -> None:
        """Keep the line."""
        self.notes.append(message)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model, fourteen pictures, and small files of texts."""
    folder = tmp_path_factory.mktemp("inputs")
    write_local_dir(folder / "tiny", tiny_config(layers=6))
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(14):
        pixels = np.zeros((60, 80, 3), dtype=np.uint8) + rng.integers(0, 255, 3, dtype=np.uint8)
        pixels[10:40, index : index + 30] = rng.integers(0, 255, (30, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"picture-{index:02d}.png")
    (folder / "pool.csv").write_text(POOL)
    (folder / "topics.csv").write_text("text,property\na cat,animals\na stone,objects\n")
    (folder / "contrasts.csv").write_text("first,second\na cat,a dog\na cat,the sky\n")
    return folder


@pytest.fixture(scope="module")
def built(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    return _build(inputs, tmp_path_factory.mktemp("built") / "atlas")


def _build(inputs: Path, atlas: Path, **changes: Any) -> BuildReport:
    arguments: dict[str, Any] = {
        "gallery": inputs / "photos",
        "descriptions": inputs / "pool.csv",
        "topics": inputs / "topics.csv",
        "contrasts": inputs / "contrasts.csv",
        "profile": 3,
        "device": "cpu",
    } | changes
    return build_model(f"local-dir:{inputs / 'tiny'}", atlas=atlas, **arguments)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _built_stages(report: BuildReport) -> list[str]:
    return [stage for stage, outcome in report.stages.items() if outcome == "built"]


def _model(report: BuildReport) -> ModelRecord:
    return ModelRecord.model_validate_json((report.folder / "model.json").read_text())


def _heads(report: BuildReport) -> list[HeadRecord]:
    return [
        HeadRecord.model_validate_json((report.folder / f"heads/{head.id}.json").read_text())
        for head in _model(report).heads
    ]


def test_the_bundle_is_whole(built: BuildReport) -> None:
    assert list(built.stages) == STAGES == _built_stages(built)
    model = _model(built)
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
    record = _heads(built)[9]
    shown = record.topics[1]
    model = load_model(f"local-dir:{inputs / 'tiny'}", device="cpu")
    file = inputs / "photos" / f"{shown.maps[2].image}.png"
    pixels = model.preprocess(open_image(file))[None]
    tokens = decompose_patches(model, pixels, [(record.layer, record.head)])[0, 0]
    basis = load_file(built.folder / "basis.safetensors")["basis"][9]
    text = embed_texts(model, [shown.text])[0]
    expected = (17 * (tokens @ (text @ basis)))[1:].reshape(4, 4)
    torch.testing.assert_close(maps[shown.maps[2].map], expected, atol=1e-5, rtol=2e-3)
    shown_maps = [contrast.maps for contrast in _model(built).contrasts]
    for head in _heads(built):
        shown_maps += [topic.maps for topic in head.topics]
        shown_maps += [description.maps for description in head.descriptions]
    used = {one.map for group in shown_maps for one in group}
    assert used == set(range(len(maps)))


def test_attention_is_that_of_each_head_over_its_own_top_images(
    built: BuildReport, inputs: Path
) -> None:
    model = load_model(f"local-dir:{inputs / 'tiny'}", device="cpu")
    for record in _heads(built)[::5]:
        assert len(record.attention) == 6
        for share, attention in zip(record.strongest, record.attention, strict=False):
            file = inputs / "photos" / f"{share.image}.png"
            pixels = model.preprocess(open_image(file))[None]
            (expected,) = class_token_attention(model, pixels, [(record.layer, record.head)])[0]
            found = torch.tensor(attention.patches)
            torch.testing.assert_close(found, expected[1:].reshape(4, 4), atol=1e-5, rtol=0)
            assert attention.class_token == pytest.approx(float(expected[0]), abs=1e-5)


def test_every_image_is_in_the_distributions_of_every_head(built: BuildReport) -> None:
    model, arrays = _model(built), load_file(built.folder / "coordinates.safetensors")
    basis = load_file(built.folder / "basis.safetensors")["basis"].double()
    texts = load_file(built.folder / "descriptions.safetensors")["embeddings"].double()
    pool = PoolRecord.model_validate_json((built.folder / "pool.json").read_text())
    rows = {row.text: texts[at] for at, row in enumerate(pool.texts)}
    for head, record in enumerate(_heads(built)):
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
    report = _build(inputs, tmp_path / "atlas", contrasts=swapped)
    for one, other in zip(_model(built).contrasts, _model(report).contrasts, strict=True):
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


def test_a_second_run_does_nothing(built: BuildReport, inputs: Path) -> None:
    atlas = built.folder.parent
    before = {path: path.stat().st_mtime_ns for path in atlas.rglob("*")}
    progress = Watched()
    report = _build(inputs, atlas, progress=progress)
    assert set(report.stages.values()) == {"unchanged"}
    assert progress.totals == {}
    assert {path: path.stat().st_mtime_ns for path in atlas.rglob("*")} == before


def test_the_same_inputs_give_the_same_bytes(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    _build(inputs, tmp_path / "atlas")
    assert _bytes(tmp_path / "atlas") == _bytes(built.folder.parent)


@pytest.mark.parametrize(
    ("stage", "steps", "kept", "module", "shards"),
    [
        ("contributions", 9, 8, contributions_stage, "SHARD_IMAGES"),
        ("heat maps", 8, 8, heat_maps_stage, "SHARD_MAPPED_IMAGES"),
        ("attention", 8, 8, attention_stage, "SHARD_ATTENDED_IMAGES"),
    ],
)
def test_an_interrupted_build_resumes_where_it_stopped(
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    steps: int,
    kept: int,
    module: ModuleType,
    shards: str,
) -> None:
    monkeypatch.setattr(module, shards, 4)
    whole = _build(inputs, tmp_path / "whole", batch_size=1)
    atlas = tmp_path / "atlas"
    with pytest.raises(KeyboardInterrupt):
        _build(inputs, atlas, batch_size=1, progress=Watched(stop=(stage, steps)))
    assert not (atlas / "tiny/model.json").exists()

    opened: list[Path] = []
    images = Watched()

    def count(path: Path) -> Image.Image:
        opened.append(path)
        return open_image(path)

    monkeypatch.setattr("clipheads.stages.gallery_pass.open_image", count)
    report = _build(inputs, atlas, batch_size=1, progress=images)
    again = images.totals[stage] - kept
    later = STAGES[STAGES.index(stage) + 1 : STAGES.index("profile")]
    opened_later = sum(images.totals[name] for name in later if name in PASSES)
    of_ablation = 14 + images.totals["ablation"]  # for the means, and to be patched
    assert len(opened) == again + opened_later + 3 + of_ablation  # 3 are the profile's
    assert images.done[stage] == images.totals[stage]
    before = STAGES[: STAGES.index(stage)]
    assert [report.stages[name] for name in before] == ["unchanged"] * len(before)
    assert _bytes(atlas) == _bytes(whole.folder.parent)


def test_an_interrupted_profile_resumes_at_its_transform(
    built: BuildReport, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    (atlas / "tiny/profile.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        _build(inputs, atlas, batch_size=1, progress=Watched(stop=("profile", 11)))
    passes: list[object] = []

    def count(*arguments: Any, **options: Any) -> torch.Tensor:
        passes.append(arguments[3])
        return transformed_coordinates(*arguments, **options)

    monkeypatch.setattr(profile_stage, "transformed_coordinates", count)
    progress = Watched()
    report = _build(inputs, atlas, progress=progress)
    # Three of the passes over three images were done, and the fourth was broken off.
    assert len(passes) == 1 + len(all_transforms(["a", "b"])) - 3
    assert progress.done["profile"] == progress.totals["profile"] == 3 * (len(passes) + 3)
    assert _built_stages(report) == ["profile", "records"]
    assert not list(report.folder.glob(".*"))


def test_an_interrupted_ablation_resumes_at_its_shard(
    built: BuildReport, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation_stage, "SHARD_PATCHED", 1)
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    with pytest.raises(KeyboardInterrupt):
        _build(inputs, atlas, progress=Watched(stop=("ablation", 3)))
    patched: list[int] = []

    def count(*arguments: Any) -> Ablated:
        patched.append(len(arguments[1]))
        return ablate(*arguments)

    monkeypatch.setattr(ablation_stage, "ablate", count)
    report = _build(inputs, atlas)
    assert _built_stages(report) == ["ablation", "records"]
    assert patched == [1]  # of four images three were done
    for head, whole in zip(_heads(report), _heads(built), strict=True):
        assert head.ablation.questions == whole.ablation.questions
        for name in ("direct", "total"):
            found, expected = getattr(head.ablation, name), getattr(whole.ablation, name)
            assert found.value == pytest.approx(expected.value, rel=1e-3)


def test_answers_of_the_bundle_change_as_its_coordinates_say(built: BuildReport) -> None:
    """With c = By written out, and e − c + c̄ asked which text of a property is closest."""
    stored = load_file(built.folder / "coordinates.safetensors")
    bases = load_file(built.folder / "basis.safetensors")["basis"]
    texts = load_file(built.folder / "descriptions.safetensors")["embeddings"]
    rows = PoolRecord.model_validate_json((built.folder / "pool.json").read_text()).texts
    names = {row.property for row in rows}
    asked = {name: [i for i, row in enumerate(rows) if row.property == name] for name in names}
    for at, head in enumerate(_heads(built)):
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
    profile = _model(built).profile
    assert profile is not None
    assert (profile.images, profile.words[0]) == (3, "dog")
    assert [one.name for one in profile.transforms] == names
    for head in _heads(built):
        assert head.profile is not None
        assert [one.transform for one in head.profile.effects] == names
        assert all(one.low <= one.effect <= one.high for one in head.profile.effects)
    means = [one.mean for one in profile.transforms]
    effects = [head.profile.effects for head in _heads(built) if head.profile]
    for place, mean in enumerate(means):
        assert np.mean([one[place].effect for one in effects]) == pytest.approx(mean, abs=1e-5)

    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    report = _build(inputs, atlas, profile=0)
    assert _built_stages(report) == ["records"]
    assert _model(report).profile is None
    assert {head.profile for head in _heads(report)} == {None}
    report = _build(inputs, atlas)
    assert _built_stages(report) == ["records"]
    assert _bytes(atlas) == _bytes(built.folder.parent)

    words = tmp_path / "words.csv"
    words.write_text("word,text\nsun,a photo of the sun\nmoon,a photo of the moon\n")
    report = _build(inputs, atlas, words=words)
    assert _built_stages(report) == ["profile", "records"]
    assert (_model(report).profile or profile).words == ["sun", "moon"]


def test_only_what_depends_on_a_changed_input_is_built_again(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    shutil.copytree(inputs / "photos", tmp_path / "photos")

    texts = tmp_path / "pool.txt"
    texts.write_text("a red picture\na blue picture\na cat\n")
    report = _build(inputs, atlas, descriptions=texts)
    assert _built_stages(report) == [
        "pool",
        "descriptions",
        "textspan",
        "heat maps",
        "map noise",
        "ablation",
        "relatives",
        "spread",
        "directions",
        "projections",
        "labels",
        "answers",
        "search",
        "records",
    ]
    assert {head.label.text for head in _heads(report)} == {None}
    assert {one.property for head in _heads(report) for one in head.descriptions} == {None}
    assert _model(report).scores.unlabelled == 8

    topics = tmp_path / "topics.csv"
    topics.write_text("text,property\na tree,plants\n")
    report = _build(inputs, atlas, descriptions=texts, topics=topics)
    assert _built_stages(report) == ["topics", "heat maps", "search", "records"]

    (tmp_path / "photos/gallery.csv").write_text("file,credit\npicture-00.png,Ann\n")
    report = _build(inputs, atlas, descriptions=texts, topics=topics, gallery=tmp_path / "photos")
    assert _built_stages(report) == ["gallery", "answers", "search", "records"]


def test_a_lost_file_is_made_again(built: BuildReport, inputs: Path, tmp_path: Path) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    for name in ("gallery/picture-03.webp", "tiny/heads/L2.H1.json", "tiny/basis.safetensors"):
        (atlas / name).unlink()
    report = _build(inputs, atlas)
    assert _built_stages(report) == ["gallery", "contributions", "records"]
    assert _bytes(atlas) == _bytes(built.folder.parent)


def test_the_last_four_layers_alone(built: BuildReport, inputs: Path, tmp_path: Path) -> None:
    report = _build(inputs, tmp_path / "atlas", layers="last4")
    model, whole = _model(report), _model(built)
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
    report = _build(inputs, tmp_path / "atlas", gallery=photos)
    assert report.images == 14
    assert [one.file for one in report.skipped] == ["aaa.png"]
    assert _build(inputs, tmp_path / "atlas", gallery=photos).skipped == report.skipped


def test_another_gallery_makes_other_models_stale(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    shutil.copytree(built.folder, atlas / "other")
    shutil.copytree(inputs / "photos", tmp_path / "photos")
    (tmp_path / "photos/picture-13.png").unlink()
    progress = Watched()
    report = _build(inputs, atlas, gallery=tmp_path / "photos", progress=progress)
    assert report.images == 13
    assert len(list((atlas / "gallery").glob("*.webp"))) == 13
    assert [note.split()[0] for note in progress.notes] == ["other"]


def test_a_gallery_of_one_image_is_built(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(inputs / "photos/picture-00.png", tmp_path / "photos")
    report = _build(inputs, tmp_path / "atlas", gallery=tmp_path / "photos")
    heads = _heads(report)
    assert {head.label.text for head in heads} == {None}
    assert all(head.descriptions == [] for head in heads)
    assert all(head.spread.label is None and head.spread.principal == [] for head in heads)
    assert all(head.spread.effective_dimension == 0 for head in heads)
    assert load_file(report.folder / "neighbours.safetensors")["images"].shape == (12, 1, 0)


def test_bad_input_is_one_clear_line(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AtlasError, match="cannot write there"):
        _build(inputs, tmp_path / "file" / "atlas")
    with pytest.raises(GalleryError, match="no image files"):
        _build(inputs, tmp_path / "atlas", gallery=tmp_path / "empty")
    with pytest.raises(AtlasError, match="no such file"):
        _build(inputs, tmp_path / "atlas", descriptions=tmp_path / "lost.csv")
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
    report = _build(inputs, tmp_path / "atlas", precision="bf16")
    exact, lower = (
        ModelRecord.model_validate_json((folder / "model.json").read_bytes())
        for folder in (built.folder, report.folder)
    )

    assert (exact.precision, exact.precision_error) == ("fp32", 0)
    assert lower.precision == "bf16"
    assert 1e-6 < lower.precision_error < 0.03
    assert lower.reconstruction_error <= 1e-5


def test_another_labeller_changes_labels_search_and_records_and_nothing_else(
    inputs: Path, built: BuildReport, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)

    def all_alike(heads: Mapping[str, Sequence[Description]], _bundle: Path) -> HeadLabels:
        return HeadLabels(
            {head: Label(text="sameness", confidence=None, reason="Said so.") for head in heads},
            {head: [True] * len(described) for head, described in heads.items()},
            LabellerRecord(kind="imported", method="All alike."),
        )

    report = _build(inputs, atlas, labeller=all_alike)
    record = ModelRecord.model_validate_json((report.folder / "model.json").read_bytes())

    assert _built_stages(report) == ["labels", "answers", "search", "records"]
    assert record.scores.entanglement.value == record.scores.association.value == 1
    assert record.labeller.method == "All alike."
    assert [one.name for one in record.properties] == ["sameness"]
    assert _built_stages(_build(inputs, atlas, labeller=all_alike)) == []
    assert _built_stages(_build(inputs, atlas)) == ["labels", "answers", "search", "records"]
    assert _bytes(atlas) == _bytes(built.folder.parent)


def test_encoders_are_exported_when_wanted_and_removed_when_not(
    inputs: Path, built: BuildReport, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    wanted = {"export_text_encoder": True, "export_image_encoder": True}
    stages = ["text encoder", "image encoder", "search"]
    report = _build(inputs, atlas, **wanted)
    assert _built_stages(report) == stages
    assert _built_stages(_build(inputs, atlas, **wanted)) == []
    with_encoders = _bytes(atlas)
    assert {"tiny/search/text-encoder.onnx", "tiny/search/image-encoder.onnx"} <= set(with_encoders)

    assert _built_stages(_build(inputs, atlas)) == ["search"]
    assert set(_bytes(atlas)) == set(_bytes(built.folder.parent))

    assert _built_stages(_build(inputs, atlas, **wanted)) == stages
    assert _bytes(atlas) == with_encoders


def test_a_model_whose_encoder_cannot_be_exported_is_refused_before_anything_is_computed(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipheads.browser.encoders.tokenizer_facts", lambda _model: None)
    with pytest.raises(ModelError, match=r"text encoder of tiny .* tokenizer is not CLIP's own"):
        _build(inputs, tmp_path / "atlas", export_text_encoder=True)
    assert list((tmp_path / "atlas").rglob("*.safetensors")) == []


def test_a_build_never_deletes_a_foreign_gallery(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    shutil.copytree(inputs / "photos", folder / "gallery")
    before = _bytes(folder)
    with pytest.raises(AtlasError, match=r"an image of the gallery lies in .*gallery, where"):
        _build(inputs, folder, gallery=folder / "gallery")
    manifest = folder / "photos.csv"
    manifest.write_text("file\ngallery/picture-00.png\n")
    with pytest.raises(AtlasError, match=r"an image of the gallery lies in .*gallery, where"):
        _build(inputs, folder, gallery=manifest)
    manifest.unlink()
    assert _bytes(folder) == before


def test_foreign_files_in_an_atlas_stay(inputs: Path, tmp_path: Path) -> None:
    atlas = tmp_path / "atlas"
    foreign = {
        "gallery/holiday.jpg": b"mine",
        "gallery/sub/thesis.docx": b"mine too",
        "tiny/heads/notes.txt": b"on heads",
        "tiny/search/index.html": b"a search",
        "tiny/.contributions-2024/notes": b"hidden",
        ".gallery.partial/notes": b"hidden too",
    }
    for name, content in foreign.items():
        (atlas / name).parent.mkdir(parents=True, exist_ok=True)
        (atlas / name).write_bytes(content)
    _build(inputs, atlas)
    (tmp_path / "photos").mkdir()
    shutil.copy(inputs / "photos/picture-00.png", tmp_path / "photos")
    _build(inputs, atlas, gallery=tmp_path / "photos", layers="last4")
    assert len(list((atlas / "gallery").glob("*.webp"))) == 1
    assert len(list((atlas / "tiny/heads").glob("*.json"))) == 8
    after = _bytes(atlas)
    assert {name: after[name] for name in foreign} == foreign


@pytest.mark.parametrize(
    "name",
    [
        "gallery/picture-03.webp",
        "gallery/manifest.json",
        "tiny/model.json",
        "tiny/heads/L2.H1.json",
        "tiny/search/search.json",
        "stages.json",
        "tiny/stages.json",
    ],
)
def test_a_foreign_file_in_the_way_is_one_line_before_anything_is_computed(
    inputs: Path, tmp_path: Path, name: str
) -> None:
    atlas = tmp_path / "atlas"
    (atlas / name).parent.mkdir(parents=True)
    (atlas / name).write_text("mine")
    with pytest.raises(AtlasError, match="not made by head-atlas"):
        _build(inputs, atlas)
    after = {path: content for path, content in _bytes(atlas).items() if path[0] != "."}
    assert after == {name: b"mine"}


def test_an_atlas_from_before_the_list_of_files_is_taken_up(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    (atlas / "stages.json").write_text(f'{{"gallery": "{"a" * 64}"}}')
    (atlas / "tiny/stages.json").write_text(f'{{"records": "{"b" * 64}"}}')
    for name in (
        "model.json",
        "checkpoint.json",
        "topics.json",
        "labels.json",
        "attention.safetensors",
        "yardsticks.safetensors",
        "principal.safetensors",
        "outliers.safetensors",
        "directions.safetensors",
        "map-noise.safetensors",
    ):
        (atlas / "tiny" / name).unlink()
    manifest = atlas / "gallery/manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 1'))
    (atlas / "tiny/search/property-gone.bin").write_bytes(b"stale")
    (atlas / "tiny/heads/notes.txt").write_text("mine")
    report = _build(inputs, atlas)
    assert _built_stages(report) == STAGES
    (atlas / "tiny/heads/notes.txt").unlink()
    assert _bytes(atlas) == _bytes(built.folder.parent)


def test_a_second_build_in_the_same_atlas_is_refused(inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "atlas").mkdir()
    with (
        locked(tmp_path / "atlas"),
        pytest.raises(AtlasError, match="in use by another run of head-atlas"),
    ):
        _build(inputs, tmp_path / "atlas")
    assert _built_stages(_build(inputs, tmp_path / "atlas")) == STAGES


def test_damaged_files_of_a_finished_build_are_made_again(
    built: BuildReport, inputs: Path, tmp_path: Path
) -> None:
    atlas = tmp_path / "atlas"
    shutil.copytree(built.folder.parent, atlas)
    for name in ("tiny/projections.onnx", "tiny/search/coordinates.bin", "tiny/images.json"):
        damaged = bytearray((atlas / name).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (atlas / name).write_bytes(damaged)
    (atlas / "gallery/picture-05.webp").write_bytes(b"")
    progress = Watched()
    report = _build(inputs, atlas, progress=progress)
    assert _built_stages(report) == ["gallery", "projections", "search", "records"]
    assert sum("missing or damaged; made again" in note for note in progress.notes) == 4
    assert _bytes(atlas) == _bytes(built.folder.parent)
