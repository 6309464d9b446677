"""`model.json`: a model, its gallery, its scores, and a summary of its heads."""

from typing import Literal, Self

from pydantic import Field, model_validator

from clipheads.bundle.ablation import ModelAblation
from clipheads.bundle.choices import NumberFormat
from clipheads.bundle.contrast import ContrastRecord
from clipheads.bundle.directions import ModelDirections
from clipheads.bundle.labels import LabellerRecord
from clipheads.bundle.names import HeadId, ModelName, Slug
from clipheads.bundle.neighbour import Neighbour
from clipheads.bundle.outliers import ModelOutliers
from clipheads.bundle.pool import DescriptionPool
from clipheads.bundle.profile import ModelProfile
from clipheads.bundle.record import Format, Index, Pixels, Record, check_head, refuse_twice
from clipheads.bundle.relatives import ModelRelatives


class Architecture(Record):
    """The vision transformer of a model."""

    layers: int = Field(gt=0, lt=10_000)
    heads: int = Field(gt=0, lt=10_000, description="Heads in each layer")
    d_head: int
    width: int = Field(description="Width of the residual stream")
    embedding_dim: int = Field(description="D, the dimension of the joint embedding")
    image_size: int = Field(description="Side of the square input in pixels")
    patch_size: int
    grid: tuple[Pixels, Pixels] = Field(description="Rows and columns of patches")
    quick_gelu: bool
    parameters: int = Field(description="Parameters of the vision tower")


class Weights(Record):
    """Which weights were used."""

    source: str = Field(description="open_clip tag, file name or local-dir name")
    sha256: str


class Score(Record):
    """A share of heads with Wilson's 95 % interval, which takes heads for independent."""

    value: float
    low: float = Field(description="Lower bound of the interval")
    high: float = Field(description="Upper bound of the interval")
    count: int = Field(description="Heads that count towards the share")


MATCHES_NEEDED = 3
"""Descriptions that must match the label for a head to be associated with it."""

CONSISTENCY_TEXTS = 5
"""The first so many descriptions of a head count towards its concept consistency score."""


class Scores(Record):
    """Entanglement, association (section 4 of the paper), and concept consistency."""

    layers: list[int]
    heads: int
    unlabelled: int
    entanglement: Score
    association: Score
    consistency: list[Score] = Field(
        min_length=CONSISTENCY_TEXTS + 1,
        max_length=CONSISTENCY_TEXTS + 1,
        description="CCS@0, CCS@1, …: share of heads with just this concept consistency score",
    )


class Term(Record):
    """One of the 2L + 1 terms of the residual stream."""

    kind: Literal["input", "attention", "mlp"]
    layer: int | None = None
    mean_share: float = Field(description="Mean over images of <c, f/|f|>; all terms sum to 1")
    variance_share: float = Field(
        description="tr Cov(c, f/|f|) / tr Var(f/|f|); all terms sum to 1; can be negative"
    )


class HeadSummary(Record):
    """A head as the model page shows it."""

    id: HeadId
    layer: Index
    head: Index
    label: str | None
    confidence: float | None = Field(description="Share of the labeller's weight; None if unknown")
    variance_share: float
    mean_share: float
    effective_dimension: float
    concept_consistency: int = Field(
        ge=0,
        le=CONSISTENCY_TEXTS,
        description="CCS: how many of the head's first descriptions match its label",
    )
    nearest_cka: float | None = Field(
        description="Linear CKA with the most similar other head of the model; None without any"
    )
    answers_changed: float | None = Field(
        description="Share of zero-shot answers that mean ablation changes; None without questions"
    )
    direct_effect: float = Field(description="1 - cosine by ablation, with later blocks kept")
    total_effect: float = Field(description="1 - cosine by ablation, with later blocks run again")
    first_description: str

    @model_validator(mode="after")
    def _named_by_its_numbers(self) -> Self:
        check_head(self.id, self.layer, self.head)
        return self


class PropertyQuery(Record):
    """Neighbours of one image within a property."""

    image: Slug
    neighbours: list[Neighbour]


class PropertyRecord(Record):
    """A property that labels at least one head, and neighbours by it."""

    name: str
    slug: Slug
    heads: list[HeadId] = Field(min_length=1)
    queries: list[PropertyQuery] = Field(description="Example images, top 4 neighbours each")


class ModelRecord(Record):
    """`<model>/model.json`."""

    format: Format = 3
    name: ModelName
    architecture: Architecture
    weights: Weights
    gallery_sha256: str
    gallery_images: int
    pool: DescriptionPool
    layers: list[Index] = Field(description="Layers whose heads are in this bundle")
    labeller: LabellerRecord
    scores: Scores
    heads: list[HeadSummary]
    terms: list[Term]
    reconstruction_error: float = Field(
        description="Largest |sum of contributions - unit embedding| over images and coordinates"
    )
    precision: NumberFormat = "fp32"
    precision_error: float = Field(
        0.0, description="Largest |embedding - embedding in fp32| of the first 32 images; 0 in fp32"
    )
    properties: list[PropertyRecord]
    contrasts: list[ContrastRecord]
    relatives: ModelRelatives
    ablation: ModelAblation
    directions: ModelDirections
    outliers: ModelOutliers
    profile: ModelProfile | None = Field(None, description="None if built with --profile none")
    version: str = Field(description="Version of clip-head-atlas that built it")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        refuse_twice("head", (head.id for head in self.heads))
        refuse_twice("property", (row.slug for row in self.properties))
        refuse_twice("contrast", (row.slug for row in self.contrasts))
        refuse_twice("term", (f"{term.kind} {term.layer}" for term in self.terms))
        shape = self.architecture
        if not self.heads or sorted({head.layer for head in self.heads}) != sorted(self.layers):
            raise ValueError("its heads are not those of its layers")
        for head in self.heads:
            if head.layer >= shape.layers or head.head >= shape.heads:
                raise ValueError(f"{shape.layers} layers of {shape.heads} heads have no {head.id}")
        wanted = {("input", None)} | {
            (kind, layer) for kind in ("attention", "mlp") for layer in range(shape.layers)
        }
        if {(term.kind, term.layer) for term in self.terms} != wanted:
            raise ValueError(f"its terms are not the {len(wanted)} of {shape.layers} layers")
        return self
