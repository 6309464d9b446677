"""`head.json`: what a head's page shows, as data that follows a published schema."""

import json
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from clipheads.bundle.ground_truth import HeadTruth
from clipheads.bundle.head import HeadRecord
from clipheads.bundle.labels import LabellerRecord
from clipheads.bundle.literature import Publication
from clipheads.bundle.names import HeadId, ModelName
from clipheads.bundle.record import Index, Record
from clipheads.bundle.relatives import HeadRelatives

DIGITS = 3
"""Significant digits of the largest value of a heat map; the others have as many decimals."""


class Mention(Record):
    """A publication that names a head for a role."""

    role: str
    publication: Publication
    position: str = Field(description="Where in the file or paper at `url` the head is named")
    weights: str = Field(description="From what it follows that the head is of these weights")
    url: str


class HeadFile(HeadRecord):
    """`<model>/L11.H7/head.json` of a site: the head's record, and what else its page shows."""

    model: ModelName
    url: str = Field(description="Address of the page; from the site's root without a base URL")
    weights_sha256: str
    gallery_sha256: str
    version: str = Field(description="Version of clip-head-atlas that built the bundle")
    labeller: LabellerRecord
    published_label: str | None = Field(
        description="What the paper's authors published for this head; None if nothing"
    )
    literature: list[Mention] = Field(description="Publications that name this head for a role")
    rank: int = Field(ge=1, description="By share of variance; 1 is the largest")
    heads: int = Field(description="Heads of the model in this atlas")
    ground_truth: HeadTruth | None = Field(
        description="What moves the head, by intervention; None but for models of the demo world"
    )
    other_relatives: dict[ModelName, HeadRelatives] = Field(
        description="The most similar heads of each other model that this one was compared with"
    )
    heat_maps: dict[str, list[list[float]]] = Field(
        description="By the `map` of a HeatMap: rows of patches from the top, <c of the patch, "
        f"text>, rounded to {DIGITS} significant digits of its largest absolute value"
    )


class PublishedLabel(Record):
    """A label of the paper's authors."""

    text: str
    source: str


class OtherHead(Record):
    """A head of this or another model."""

    model: ModelName
    id: HeadId


class PublishedHeadFile(Record):
    """`head.json` of a head that was not computed here, of which the label is published."""

    model: ModelName
    url: str = Field(description="Address of the page; from the site's root without a base URL")
    published_only: Literal[True] = True
    id: HeadId
    layer: Index
    head: Index
    label: PublishedLabel
    literature: list[Mention] = Field(description="Publications that name this head for a role")
    same_label: list[OtherHead]


def as_json(record: Record) -> bytes:
    """A record as JSON, with a line for each field."""
    fields = record.model_dump(mode="json").items()
    lines = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
        for name, value in fields
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def rounded(grid: NDArray[np.floating]) -> list[list[float]]:
    """A heat map's rows, with decimals for DIGITS significant digits of its largest value.

    >>> rounded(np.array([[0.12345, -0.00012]]))
    [[0.123, -0.0]]
    """
    largest = float(np.abs(grid).max(initial=0.0))
    decimals = DIGITS - 1 - math.floor(math.log10(largest)) if largest else 0
    rows: list[list[float]] = np.asarray(grid, dtype=np.float64).tolist()
    return [[round(value, decimals) for value in row] for row in rows]
