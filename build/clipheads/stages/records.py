"""From tensors to the records of a bundle: places become names, and labels and scores are added.

Nothing here computes on images; all is read off what the stages of the pipeline left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from clipheads.bundle.head import (
    DescriptionRecord,
    HeadRecord,
    HeatMap,
    ImageNeighbours,
    ImageShare,
    Neighbour,
    TopicMaps,
)
from clipheads.bundle.images import HeadShare, ImagesRecord
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label
from clipheads.bundle.model import (
    ContrastRecord,
    HeadSummary,
    PropertyQuery,
    PropertyRecord,
    Scores,
)
from clipheads.bundle.names import head_id
from clipheads.bundle.profile import (
    HeadProfile,
    ModelProfile,
    ProfileRecord,
    TransformEffect,
    TransformRecord,
    WordReading,
)
from clipheads.bundle.slugs import unique_slugs
from clipheads.gallery.transforms import NamedTransform
from clipheads.labels.labeller import HeadLabels
from clipheads.maths.heat_maps import ContrastRequest, TopicRequest
from clipheads.maths.neighbours import nearest, property_vectors, text_neighbours, top_k
from clipheads.maths.profile import READS, STANDS_OUT, Effects, Reading
from clipheads.maths.scores import association, entanglement
from clipheads.maths.text_span import Pick, Yardsticks
from clipheads.texts.pools import Description

NEIGHBOURS = 8
DESCRIPTION_MAPS = 3
TOPIC_MAPS = 3
CONTRAST_MAPS = 4
STRONGEST = 12
SHOWN_WITH_NEIGHBOURS = 6
PROPERTY_EXAMPLES = 8
PROPERTY_NEIGHBOURS = 4
HEADS_OF_AN_IMAGE = 12
SCORED_LAYERS = 4


@dataclass(frozen=True, eq=False)
class Findings:
    """What is known of a model over a gallery, with images, heads and texts by their places."""

    images: list[str]
    """Ids of the gallery."""
    heads: list[tuple[int, int]]
    """(layer, head) of each place on the axis `heads`."""
    basis: Tensor
    """[heads, D, r]"""
    coordinates: Tensor
    """[N, heads, r]"""
    shares: Tensor
    """[N, heads], <c, f/|f|>."""
    embeddings: Tensor
    """[N, D], unit rows."""
    neighbours: Tensor
    """[heads, N, k], places of images."""
    cosines: Tensor
    """[heads, N, k]"""
    texts: dict[str, int]
    """Each text's row in `text_embeddings`."""
    text_embeddings: Tensor
    """[n, D], unit rows."""
    pool: list[Description]
    topics: list[Description]
    contrasts: list[tuple[str, str]]
    picks: list[list[Pick]]
    """The TEXTSPAN picks of each head, by place in the pool."""

    @cached_property
    def excess(self) -> Tensor:
        """Each share minus the head's mean share over the gallery, [N, heads]."""
        return excess_of(self.shares)

    @cached_property
    def described_images(self) -> list[tuple[Tensor, Tensor]]:
        """For each head the images nearest to each of its picks, [picks, k], and cosines."""
        found = []
        for head, picks in enumerate(self.picks):
            rows = [self.texts[self.pool[pick.index].text] for pick in picks]
            queries = self.text_embeddings[rows] @ self.basis[head]
            found.append(text_neighbours(self.coordinates[:, head], queries, NEIGHBOURS))
        return found

    @cached_property
    def topic_images(self) -> Tensor:
        """For each topic the images of highest cosine in the joint embedding, [topics, 3]."""
        rows = [self.texts[topic.text] for topic in self.topics]
        return top_k(self.text_embeddings[rows] @ self.embeddings.T, TOPIC_MAPS)[0]

    @cached_property
    def contrast_images(self) -> Tensor:
        """For each contrast the images in which both texts are likeliest, [contrasts, 4].

        That is where the lower of the two cosines is highest.
        """
        cosines = [
            self.text_embeddings[[self.texts[pair[side]] for pair in self.contrasts]]
            @ self.embeddings.T
            for side in (0, 1)
        ]
        return top_k(torch.minimum(*cosines), CONTRAST_MAPS)[0]

    @cached_property
    def described(self) -> dict[str, list[Description]]:
        """The picks of each head as descriptions, by the head's id."""
        return {
            head_id(*head): [self.pool[pick.index] for pick in picks]
            for head, picks in zip(self.heads, self.picks, strict=True)
        }

    @cached_property
    def topic_requests(self) -> dict[TopicRequest, int]:
        """Every topic map that a page shows, with its place in `heatmaps.safetensors`."""
        requests: dict[TopicRequest, int] = {}
        for head in range(len(self.heads)):
            for group in [*self.pick_requests(head), *self.head_topics(head)]:
                for request in group:
                    requests.setdefault(request, len(requests))
        return requests

    @cached_property
    def contrast_requests(self) -> list[list[ContrastRequest]]:
        """The maps of each contrast; they lie behind all topic maps, in this order."""
        return [
            [ContrastRequest(image, self.texts[first], self.texts[second]) for image in images]
            for (first, second), images in zip(
                self.contrasts, self.contrast_images.tolist(), strict=True
            )
        ]

    def pick_requests(self, head: int) -> list[list[TopicRequest]]:
        """The maps of each pick of one head, over the images nearest to it."""
        places, _ = self.described_images[head]
        return [
            [TopicRequest(image, head, self.texts[self.pool[pick.index].text]) for image in images]
            for pick, images in zip(
                self.picks[head], places[:, :DESCRIPTION_MAPS].tolist(), strict=True
            )
        ]

    def head_topics(self, head: int) -> list[list[TopicRequest]]:
        """The maps of each topic in one head; the images are the same for all heads."""
        return [
            [TopicRequest(image, head, self.texts[topic.text]) for image in images]
            for topic, images in zip(self.topics, self.topic_images.tolist(), strict=True)
        ]


def excess_of(shares: Tensor) -> Tensor:
    """Return each share [N, heads] minus the head's mean share over the N images."""
    return (shares.double() - shares.double().mean(dim=0)).float()


def head_record(
    findings: Findings,
    place: int,
    named: HeadLabels,
    *,
    mean_share: float,
    variance_share: float,
    yardsticks: Yardsticks,
    profile: HeadProfile | None = None,
) -> HeadRecord:
    """Make the record of one head, with what its page shows."""
    layer, head = findings.heads[place]
    matching = named.matching[head_id(layer, head)]
    images = findings.images
    places, scores = findings.described_images[place]
    descriptions = [
        DescriptionRecord(
            text=findings.pool[pick.index].text,
            property=findings.pool[pick.index].property,
            share=_rounded(pick.share),
            matches_label=matching[row],
            neighbours=_neighbours(images, places[row], scores[row]),
            maps=_topic_maps(findings, requests),
        )
        for row, (pick, requests) in enumerate(
            zip(findings.picks[place], findings.pick_requests(place), strict=True)
        )
    ]
    strongest = top_k(findings.excess[:, place], STRONGEST)[0].tolist()
    return HeadRecord(
        id=head_id(layer, head),
        layer=layer,
        head=head,
        label=named.labels[head_id(layer, head)],
        variance_share=_rounded(variance_share),
        mean_share=_rounded(mean_share),
        explained=_rounded(sum(pick.share for pick in findings.picks[place])),
        explained_by_random=_rounded(yardsticks.random),
        explained_by_best=_rounded(yardsticks.best),
        descriptions=descriptions,
        strongest=[
            ImageShare(
                image=images[image],
                share=_rounded(float(findings.shares[image, place])),
                excess=_rounded(float(findings.excess[image, place])),
            )
            for image in strongest
        ],
        image_neighbours=[
            ImageNeighbours(
                image=images[image],
                neighbours=_neighbours(
                    images, findings.neighbours[place, image], findings.cosines[place, image]
                ),
            )
            for image in strongest[:SHOWN_WITH_NEIGHBOURS]
        ],
        topics=[
            TopicMaps(
                text=topic.text, property=topic.property, maps=_topic_maps(findings, requests)
            )
            for topic, requests in zip(findings.topics, findings.head_topics(place), strict=True)
        ],
        profile=profile,
    )


def profile_record(
    effects: Effects,
    reading: Reading,
    *,
    heads: Sequence[tuple[int, int]],
    transforms: Sequence[NamedTransform],
    words: Sequence[str],
    images: int,
) -> ProfileRecord:
    """Make the record of what moves each of `heads`, measured over `images` images."""
    means = effects.effect.value.mean(dim=0).tolist()
    return ProfileRecord(
        model=ModelProfile(
            images=images,
            words=list(words),
            transforms=[
                TransformRecord(
                    name=one.name, title=one.title, group=one.group, mean=_rounded(mean)
                )
                for one, mean in zip(transforms, means, strict=True)
            ],
            stands_out=STANDS_OUT,
            reads=READS,
        ),
        heads={
            head_id(*head): HeadProfile(
                effects=[
                    TransformEffect(
                        transform=one.name,
                        effect=_rounded(float(effects.effect.value[place, at])),
                        low=_rounded(float(effects.effect.low[place, at])),
                        high=_rounded(float(effects.effect.high[place, at])),
                        ratio=_rounded(float(effects.ratio.value[place, at])),
                        ratio_low=_rounded(float(effects.ratio.low[place, at])),
                        ratio_high=_rounded(float(effects.ratio.high[place, at])),
                        stands_out=bool(effects.stands_out[place, at]),
                    )
                    for at, one in enumerate(transforms)
                ],
                reading=WordReading(
                    towards=_rounded(float(reading.towards[place])),
                    deviations=_rounded(float(reading.deviations[place])),
                    beyond=_rounded(float(reading.beyond.value[place])),
                    beyond_low=_rounded(float(reading.beyond.low[place])),
                    beyond_high=_rounded(float(reading.beyond.high[place])),
                    reads=bool(reading.reads[place]),
                ),
            )
            for place, head in enumerate(heads)
        },
    )


def head_summary(record: HeadRecord) -> HeadSummary:
    """Shorten a head's record to what the model page shows."""
    return HeadSummary(
        id=record.id,
        layer=record.layer,
        head=record.head,
        label=record.label.text,
        confidence=record.label.confidence,
        variance_share=record.variance_share,
        mean_share=record.mean_share,
        first_description=record.descriptions[0].text if record.descriptions else "",
    )


def property_records(
    labels: Sequence[Label],
    heads: Sequence[tuple[int, int]],
    images: Sequence[str],
    *,
    basis: Tensor,
    coordinates: Tensor,
    excess: Tensor,
) -> list[PropertyRecord]:
    """Make a record for each property that labels a head, in alphabetical order.

    Args:
        labels: of each head.
        heads: their (layer, head).
        images: ids of the N images of the gallery.
        basis: [heads, D, r].
        coordinates: [N, heads, r].
        excess: [N, heads], see `Findings.excess`.
    """
    bearers: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        if label.text is not None:
            bearers.setdefault(fold_label(label.text), []).append(place)
    ordered = sorted(bearers)
    names = [labels[bearers[folded][0]].text or "" for folded in ordered]
    records = []
    slugs = unique_slugs(zip(ordered, names, strict=True))
    for folded, name, slug in zip(ordered, names, slugs, strict=True):
        bearing = bearers[folded]
        examples = top_k(excess[:, bearing].mean(dim=1), PROPERTY_EXAMPLES)[0]
        vectors = property_vectors(coordinates, basis, bearing)
        places, cosines = nearest(vectors, PROPERTY_NEIGHBOURS, rows=examples)
        records.append(
            PropertyRecord(
                name=name,
                slug=slug,
                heads=[head_id(*heads[place]) for place in bearing],
                queries=[
                    PropertyQuery(
                        image=images[image],
                        neighbours=_neighbours(images, places[row], cosines[row]),
                    )
                    for row, image in enumerate(examples.tolist())
                ],
            )
        )
    return records


def contrast_records(findings: Findings) -> list[ContrastRecord]:
    """Make a record for each contrast."""
    texts = [f"{first} minus {second}" for first, second in findings.contrasts]
    place = len(findings.topic_requests)
    records = []
    for (first, second), slug, requests in zip(
        findings.contrasts,
        unique_slugs((text, text) for text in texts),
        findings.contrast_requests,
        strict=True,
    ):
        maps = [
            HeatMap(image=findings.images[request.image], map=place + index)
            for index, request in enumerate(requests)
        ]
        place += len(maps)
        records.append(ContrastRecord(slug=slug, first=first, second=second, maps=maps))
    return records


def images_record(findings: Findings) -> ImagesRecord:
    """List for each image the heads whose share stands out most from their mean."""
    places, excesses = top_k(findings.excess, HEADS_OF_AN_IMAGE)
    return ImagesRecord(
        images={
            image: [
                HeadShare(
                    head=head_id(*findings.heads[head]),
                    share=_rounded(float(findings.shares[row, head])),
                    excess=_rounded(excess),
                )
                for head, excess in zip(places[row].tolist(), excesses[row].tolist(), strict=True)
            ]
            for row, image in enumerate(findings.images)
        }
    )


def scores_of(heads: Sequence[HeadRecord], layers: int) -> Scores:
    """Score the heads of the last four of `layers` layers."""
    scored_layers = list(range(max(0, layers - SCORED_LAYERS), layers))
    scored = [head for head in heads if head.layer in scored_layers]
    labels = [head.label.text for head in scored]
    matching = [sum(one.matches_label for one in head.descriptions) for head in scored]
    return Scores(
        layers=scored_layers,
        heads=len(scored),
        unlabelled=labels.count(None),
        entanglement=entanglement(labels),
        association=association(labels, matching),
    )


def _topic_maps(findings: Findings, requests: list[TopicRequest]) -> list[HeatMap]:
    return [
        HeatMap(image=findings.images[request.image], map=findings.topic_requests[request])
        for request in requests
    ]


def _neighbours(images: Sequence[str], places: Tensor, scores: Tensor) -> list[Neighbour]:
    return [
        Neighbour(image=images[place], score=_rounded(score))
        for place, score in zip(places.tolist(), scores.tolist(), strict=True)
    ]


def _rounded(value: float) -> float:
    """Six decimals: below that float32 says nothing, and files would be larger."""
    return round(value, 6)
