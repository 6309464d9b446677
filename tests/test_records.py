"""Records say by name what the tensors hold by position."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from synthetic_ablation import head_ablation, model_ablation
from torch import Tensor
from torch.nn.functional import normalize

from clipheads.bundle.ablation import AblationRecord
from clipheads.bundle.checkpoint import CheckpointRecord
from clipheads.bundle.contrast import SHOWN_WITHIN
from clipheads.bundle.disk.owned_files import adopt, made_in
from clipheads.bundle.disk.record_files import write_record
from clipheads.bundle.gallery import GalleryImage, GalleryManifest
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.images import ImagesRecord
from clipheads.bundle.model import Architecture, ModelRecord, Weights
from clipheads.bundle.names import head_id
from clipheads.bundle.pool import PickRecord, PoolRecord, PoolText, TextSpanRecord, TopicsRecord
from clipheads.bundle.progress import Silent
from clipheads.bundle.search import Preprocessing
from clipheads.labels.majority import label_heads_by_majority
from clipheads.maths.neighbours import image_neighbours
from clipheads.maths.text_span import textspan
from clipheads.stages import inputs
from clipheads.stages.answers import answers
from clipheads.stages.atlas import ANALYSES
from clipheads.stages.engine import run
from clipheads.stages.inputs import LABELS_GIVEN
from clipheads.stages.labels import labels, labels_by
from clipheads.stages.records import head_summary, records_stage, scores_of
from clipheads.stages.relatives import relatives
from clipheads.stages.spread import spread
from clipheads.stages.store import Workspace

IMAGES, DIMENSION, RANK = 20, 24, 6
POOL = [
    PoolText(text="red", property="Colours"),
    PoolText(text="blue", property="Colours"),
    PoolText(text="green", property="colour"),
    PoolText(text="a cat", property="Animals"),
    PoolText(text="a dog", property="Animals"),
    PoolText(text="a bird", property="Animals"),
]
HEADS = [(0, 0), (0, 1), (1, 0), (1, 1)]


@dataclass(frozen=True)
class Found:
    """What the stages before the records have left, and the records of it."""

    coordinates: Tensor
    basis: Tensor
    shares: Tensor
    embeddings: Tensor
    texts: Tensor
    model: ModelRecord
    heads: list[HeadRecord]
    images: ImagesRecord


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Four heads: in the first three only one property's texts have variance, in order of size."""
    atlas = tmp_path_factory.mktemp("atlas")
    folder = atlas / "planted"
    (folder / "heads").mkdir(parents=True)
    (atlas / "gallery").mkdir()
    generator = torch.Generator().manual_seed(0)
    texts = torch.linalg.qr(torch.randn(DIMENSION, len(POOL), generator=generator)).Q.T
    basis, coordinates, picks = [], [], []
    for varying in ([0, 1, 2], [3, 4, 5], [2, 1, 0], []):
        rest = torch.randn(RANK - len(varying), DIMENSION, generator=generator)
        axes = torch.cat([texts[varying], rest - rest @ texts.T @ texts])
        basis.append(torch.linalg.qr(axes.T).Q)
        y = torch.zeros(IMAGES, RANK)
        for axis in range(len(varying)):
            y[:, axis] = (3 - axis) * torch.randn(IMAGES, generator=generator)
        coordinates.append(y)
        picks.append(textspan(torch.cov(y.T, correction=0), texts @ basis[-1]))
    tensors: dict[str, dict[str, Tensor]] = {
        "basis": {"basis": torch.stack(basis)},
        "coordinates": {
            "coordinates": torch.stack(coordinates, dim=1),
            "shares": torch.randn(IMAGES, 4, generator=generator),
            "embeddings": normalize(torch.randn(IMAGES, DIMENSION, generator=generator), dim=-1),
        },
        "statistics": statistics(torch.stack(coordinates, dim=1).double()),
        "descriptions": {"embeddings": texts},
        "topics": {"embeddings": texts[[3, 1, 4]]},
        "yardsticks": {
            "random": torch.full((4,), 0.2, dtype=torch.float64),
            "best": torch.full((4,), 0.9, dtype=torch.float64),
        },
        "heatmaps": {"maps": torch.zeros(1, 2, 2)},
        "attention": {"weights": torch.full((4, 6, 5), 0.2)},
        "outliers": {
            "shares": torch.zeros(4),
            "counts": torch.zeros(IMAGES, dtype=torch.int32),
            "longest": torch.ones(IMAGES),
        },
        "map-noise": {"noise": torch.zeros(4)},
        "directions": {
            "vectors": torch.eye(DIMENSION)[:1].repeat(4, 1, 1),
            "shares": torch.ones(4, 1),
            "texts": torch.full((4, 1, 2, 1), -1, dtype=torch.int32),
            "weights": torch.zeros(4, 1, 2, 1),
            "fidelity": torch.zeros(4, 1, 2),
            "random": torch.zeros(2),
        },
    }
    positions, cosines = image_neighbours(tensors["coordinates"]["coordinates"])
    tensors["neighbours"] = {"images": positions, "scores": cosines}
    for name, content in tensors.items():
        whole = {key: value.contiguous() for key, value in content.items()}
        save_file(whole, folder / f"{name}.safetensors")
    write_record(folder / "checkpoint.json", checkpoint())
    write_record(folder / "pool.json", PoolRecord(name="planted", texts=POOL, parents={}))
    topics = TopicsRecord(topics=[POOL[3], POOL[1]], contrasts=[("a cat", "a dog")])
    write_record(folder / "topics.json", topics)
    named = {
        head_id(*head): [PickRecord(index=pick.index, share=pick.share) for pick in own]
        for head, own in zip(HEADS, picks, strict=True)
    }
    write_record(folder / "textspan.json", TextSpanRecord(named))
    names = sorted({text.property for text in POOL if text.property})
    ablated = {
        head_id(*head): head_ablation(at, len(HEADS), names) for at, head in enumerate(HEADS)
    }
    ablation = AblationRecord(model=model_ablation(names), heads=ablated)
    write_record(folder / "ablation.json", ablation)
    write_record(atlas / "gallery" / "manifest.json", manifest())
    adopt(folder, {"before": made_in(folder, None)})
    adopt(atlas, {"gallery": made_in(atlas, None)})

    given = {
        LABELS_GIVEN: lambda: labels_by(label_heads_by_majority, folder, "build"),
        inputs.HEADS: lambda: HEADS,
    }
    workspace = Workspace(atlas, folder, given, progress=Silent(), without=frozenset({"profile"}))
    made = (labels, answers, records_stage((*ANALYSES, labels, answers)))
    run((relatives, spread, made), workspace)
    return Found(
        **tensors["coordinates"],
        basis=tensors["basis"]["basis"],
        texts=texts,
        model=ModelRecord.model_validate_json((folder / "model.json").read_bytes()),
        heads=[
            HeadRecord.model_validate_json((folder / f"heads/{head_id(*head)}.json").read_bytes())
            for head in HEADS
        ],
        images=ImagesRecord.model_validate_json((folder / "images.json").read_bytes()),
    )


def statistics(y: Tensor) -> dict[str, Tensor]:
    """Moments of contributions [images, 4, r], and of the 1 + 4 + 2 terms of two layers."""
    terms = torch.full((7,), 1 / 7, dtype=torch.float64)
    return {
        "mean": y.mean(dim=0),
        "covariance": torch.stack([torch.cov(own.T, correction=0) for own in y.unbind(dim=1)]),
        "count": torch.tensor(IMAGES),
        "embedding_mean": torch.zeros(DIMENSION, dtype=torch.float64),
        "term_means": torch.zeros(7, DIMENSION, dtype=torch.float64),
        "term_shares": terms,
        "term_scatters": terms.clone(),
        "reconstruction_error": torch.tensor(0.0),
        "precision_error": torch.tensor(0.0),
    }


def checkpoint() -> CheckpointRecord:
    """A model of two layers of two heads."""
    return CheckpointRecord(
        name="planted",
        architecture=Architecture(
            layers=2,
            heads=2,
            d_head=RANK,
            width=2 * RANK,
            embedding_dim=DIMENSION,
            image_size=4,
            patch_size=2,
            grid=(2, 2),
            quick_gelu=False,
            parameters=1,
        ),
        weights=Weights(source="planted", sha256="0" * 64),
        precision="fp32",
        layers=[0, 1],
        preprocessing=Preprocessing(
            image_size=4,
            mean=(0, 0, 0),
            std=(1, 1, 1),
            interpolation="bicubic",
            resize_mode="shortest",
            fill_color=0,
        ),
        tokenizer=None,
    )


def manifest() -> GalleryManifest:
    """A gallery of twenty images."""
    blank: dict[str, Any] = {"title": "", "credit": "", "licence": "", "source": ""}
    return GalleryManifest(
        title="Planted",
        sha256="0" * 64,
        images=[
            GalleryImage(id=f"image-{index}", width=4, height=4, **blank) for index in range(IMAGES)
        ],
    )


def test_a_planted_property_becomes_the_label(found: Found) -> None:
    records = found.heads
    assert [record.label.text for record in records] == ["Colours", "Animals", "colour", None]
    first = records[0]
    assert [one.text for one in first.descriptions] == ["red", "blue", "green"]
    assert all(one.matches_label for one in first.descriptions)
    assert first.explained == pytest.approx(1, abs=1e-5)
    assert first.descriptions[0].share > first.descriptions[1].share > first.descriptions[2].share
    assert records[3].descriptions == []
    assert head_summary(records[3]).first_description == ""


def test_labels_that_fold_alike_are_one_property_and_are_entangled(found: Found) -> None:
    records = found.heads
    assert [(one.name, one.heads) for one in found.model.properties] == [
        ("Animals", ["L0.H1"]),
        ("Colours", ["L0.H0", "L1.H0"]),
    ]
    scores = scores_of(records, layers=2)
    assert scores.layers == [0, 1]
    assert (scores.heads, scores.unlabelled) == (4, 1)
    assert scores.entanglement.value == 0.5
    assert scores.association.value == 0.75


def test_only_the_last_four_layers_are_scored(found: Found) -> None:
    records = found.heads
    assert scores_of(records, layers=5).layers == [1, 2, 3, 4]
    assert scores_of(records, layers=5).heads == 2


def test_neighbours_of_a_description_are_the_images_with_its_direction(found: Found) -> None:
    record = found.heads[0]
    contribution = found.coordinates[:, 0] @ found.basis[0].T
    cosine = normalize(contribution, dim=-1) @ found.texts[0]
    best = int(cosine.argmax())
    nearest = record.descriptions[0].neighbours[0]
    assert nearest.image == f"image-{best}"
    assert nearest.score == pytest.approx(float(cosine[best]), abs=1e-5)
    assert len(record.descriptions[0].neighbours) == 8
    assert [one.image for one in record.descriptions[0].maps] == [
        one.image for one in record.descriptions[0].neighbours[:3]
    ]


def test_images_stand_out_by_what_exceeds_the_mean(found: Found) -> None:
    record = found.heads[2]
    excess = found.shares[:, 2] - found.shares[:, 2].mean()
    assert record.strongest[0].image == f"image-{int(excess.argmax())}"
    assert record.strongest[0].excess == pytest.approx(float(excess.max()), abs=1e-5)
    assert len(record.strongest) == 12
    assert [one.image for one in record.image_neighbours] == [
        one.image for one in record.strongest[:6]
    ]
    of_images = found.images.images
    assert list(of_images) == [f"image-{index}" for index in range(IMAGES)]
    heads = [one.head for one in of_images["image-0"]]
    assert sorted(heads) == ["L0.H0", "L0.H1", "L1.H0", "L1.H1"]
    excesses = [one.excess for one in of_images["image-0"]]
    assert excesses == sorted(excesses, reverse=True)


def test_a_map_that_is_shown_twice_is_drawn_once_and_places_do_not_clash(
    found: Found,
) -> None:
    records = found.heads
    maps = [one.map for record in records for topic in record.topics for one in topic.maps]
    maps += [one.map for record in records for pick in record.descriptions for one in pick.maps]
    assert set(maps) == set(range(max(maps) + 1))
    assert len(set(maps)) < len(maps)
    (contrast,) = found.model.contrasts
    own = [shown.map for shown in contrast.maps]
    assert own == [max(maps) + 1 + index for index in range(len(own))]
    assert contrast.slug == "a-cat-minus-a-dog"


def test_topics_are_shown_on_the_same_images_in_every_head(found: Found) -> None:
    records = found.heads
    shown = {tuple(one.image for one in record.topics[0].maps) for record in records}
    cosine = found.embeddings @ found.texts[3]
    assert shown == {tuple(f"image-{place}" for place in cosine.topk(3).indices.tolist())}


def test_contrasts_are_shown_where_both_texts_rank_high(found: Found) -> None:
    (contrast,) = found.model.contrasts
    cosines = found.embeddings @ found.texts[[3, 4]].T
    ranks = (1 + (cosines[None] > cosines[:, None]).sum(dim=1)).max(dim=1).values / IMAGES
    best = ranks.argsort(stable=True)
    shown = max(1, int((ranks <= SHOWN_WITHIN).sum()))
    assert [map_.image for map_ in contrast.maps] == [f"image-{i}" for i in best[:shown].tolist()]
    assert contrast.maps[0].rank == pytest.approx(float(ranks.min()), abs=1e-5)


def test_what_the_model_answers_is_the_nearest_text_of_each_property(found: Found) -> None:
    answers = found.images.answers
    assert list(answers) == list(found.images.images)
    for own in answers.values():
        properties = [answer.property for answer in own]
        assert len({*properties} - {None}) == len(properties) - properties.count(None)
        cosines = [answer.cosine for answer in own]
        assert cosines == sorted(cosines, reverse=True)
