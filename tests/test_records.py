"""Records say by name what the tensors hold by place."""

import pytest
import torch
from torch.nn.functional import normalize

from clipheads.bundle.head import HeadRecord
from clipheads.labels.labeller import HeadLabels
from clipheads.labels.majority import label_head_by_majority, majority_record
from clipheads.labels.matching import matching_properties
from clipheads.maths.neighbours import image_neighbours
from clipheads.maths.text_span import Yardsticks, textspan
from clipheads.stages.records import (
    Findings,
    contrast_records,
    head_record,
    head_summary,
    images_record,
    property_records,
    scores_of,
)
from clipheads.texts.pools import Description

IMAGES, DIMENSION, RANK = 20, 24, 6
POOL = [
    Description("red", "Colours"),
    Description("blue", "Colours"),
    Description("green", "colour"),
    Description("a cat", "Animals"),
    Description("a dog", "Animals"),
    Description("a bird", "Animals"),
]
HEADS = [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.fixture(scope="module")
def findings() -> Findings:
    """Four heads: in the first three only one property's texts have variance, in order of size."""
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
    y = torch.stack(coordinates, dim=1)
    places, cosines = image_neighbours(y)
    return Findings(
        images=[f"image-{index}" for index in range(IMAGES)],
        heads=HEADS,
        basis=torch.stack(basis),
        coordinates=y,
        shares=torch.randn(IMAGES, 4, generator=generator),
        embeddings=normalize(torch.randn(IMAGES, DIMENSION, generator=generator), dim=-1),
        neighbours=places,
        cosines=cosines,
        texts={description.text: row for row, description in enumerate(POOL)},
        text_embeddings=texts,
        pool=POOL,
        topics=[Description("a cat", "Animals"), Description("blue", "Colours")],
        contrasts=[("a cat", "a dog")],
        picks=picks,
    )


def _records(findings: Findings) -> list[HeadRecord]:
    labels = {
        head: label_head_by_majority(descriptions)
        for head, descriptions in findings.described.items()
    }
    matching = matching_properties(labels, findings.described, {})
    named = HeadLabels(labels, matching, majority_record())
    return [
        head_record(
            findings,
            place,
            named,
            mean_share=0,
            variance_share=0,
            yardsticks=Yardsticks(random=0.2, best=0.9),
        )
        for place in range(4)
    ]


def test_a_planted_property_becomes_the_label(findings: Findings) -> None:
    records = _records(findings)
    assert [record.label.text for record in records] == ["Colours", "Animals", "colour", None]
    first = records[0]
    assert [one.text for one in first.descriptions] == ["red", "blue", "green"]
    assert all(one.matches_label for one in first.descriptions)
    assert first.explained == pytest.approx(1, abs=1e-5)
    assert first.descriptions[0].share > first.descriptions[1].share > first.descriptions[2].share
    assert records[3].descriptions == []
    assert head_summary(records[3]).first_description == ""


def test_labels_that_fold_alike_are_one_property_and_are_entangled(findings: Findings) -> None:
    records = _records(findings)
    properties = property_records(
        [record.label for record in records],
        findings.heads,
        findings.images,
        basis=findings.basis,
        coordinates=findings.coordinates,
        excess=findings.excess,
    )
    assert [(one.name, one.heads) for one in properties] == [
        ("Animals", ["L0.H1"]),
        ("Colours", ["L0.H0", "L1.H0"]),
    ]
    scores = scores_of(records, layers=2)
    assert scores.layers == [0, 1]
    assert (scores.heads, scores.unlabelled) == (4, 1)
    assert scores.entanglement.value == 0.5
    assert scores.association.value == 0.75


def test_only_the_last_four_layers_are_scored(findings: Findings) -> None:
    records = _records(findings)
    assert scores_of(records, layers=5).layers == [1, 2, 3, 4]
    assert scores_of(records, layers=5).heads == 2


def test_neighbours_of_a_description_are_the_images_with_its_direction(findings: Findings) -> None:
    record = _records(findings)[0]
    contribution = findings.coordinates[:, 0] @ findings.basis[0].T
    cosine = normalize(contribution, dim=-1) @ findings.text_embeddings[0]
    best = int(cosine.argmax())
    nearest = record.descriptions[0].neighbours[0]
    assert nearest.image == f"image-{best}"
    assert nearest.score == pytest.approx(float(cosine[best]), abs=1e-5)
    assert len(record.descriptions[0].neighbours) == 8
    assert [one.image for one in record.descriptions[0].maps] == [
        one.image for one in record.descriptions[0].neighbours[:3]
    ]


def test_images_stand_out_by_what_exceeds_the_mean(findings: Findings) -> None:
    record = _records(findings)[2]
    excess = findings.shares[:, 2] - findings.shares[:, 2].mean()
    assert record.strongest[0].image == f"image-{int(excess.argmax())}"
    assert record.strongest[0].excess == pytest.approx(float(excess.max()), abs=1e-5)
    assert len(record.strongest) == 12
    assert [one.image for one in record.image_neighbours] == [
        one.image for one in record.strongest[:6]
    ]
    of_images = images_record(findings).images
    assert list(of_images) == findings.images
    heads = [one.head for one in of_images["image-0"]]
    assert sorted(heads) == ["L0.H0", "L0.H1", "L1.H0", "L1.H1"]
    excesses = [one.excess for one in of_images["image-0"]]
    assert excesses == sorted(excesses, reverse=True)


def test_a_map_that_is_shown_twice_is_drawn_once_and_places_do_not_clash(
    findings: Findings,
) -> None:
    requests = findings.topic_requests
    assert list(requests.values()) == list(range(len(requests)))
    records = _records(findings)
    maps = [one.map for record in records for topic in record.topics for one in topic.maps]
    maps += [one.map for record in records for pick in record.descriptions for one in pick.maps]
    assert set(maps) == set(range(len(requests)))
    (contrast,) = contrast_records(findings)
    assert [one.map for one in contrast.maps] == [len(requests) + index for index in range(4)]
    assert contrast.slug == "a-cat-minus-a-dog"


def test_topics_are_shown_on_the_same_images_in_every_head(findings: Findings) -> None:
    records = _records(findings)
    shown = {tuple(one.image for one in record.topics[0].maps) for record in records}
    cosine = findings.embeddings @ findings.text_embeddings[3]
    assert shown == {tuple(f"image-{place}" for place in cosine.topk(3).indices.tolist())}


def test_contrasts_are_shown_where_both_texts_are_likely(findings: Findings) -> None:
    (contrast,) = contrast_records(findings)
    both = (findings.embeddings @ findings.text_embeddings[[3, 4]].T).min(dim=1).values
    assert [one.image for one in contrast.maps] == [
        f"image-{place}" for place in both.topk(4).indices.tolist()
    ]
