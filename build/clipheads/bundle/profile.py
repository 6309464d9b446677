"""`profile.json`: how far changes to pictures move each head."""

from typing import Literal

from pydantic import Field

from clipheads.bundle.record import Record

RESAMPLES = 1000
"""Bootstrap samples behind each interval."""


class TransformRecord(Record):
    """A change to pictures, and how far it moves the heads of a model."""

    name: str
    title: str = Field(description="As a gerund, such as: removing colour")
    group: str = Field(description="Property that it changes: colour, light, detail, layout, words")
    mean: float = Field(description="Mean over the heads of E‖Δy‖² / (2 Var y)")


class ModelProfile(Record):
    """The causal profile of a model, over all its heads."""

    images: int = Field(description="Size of the sample, evenly spaced over the gallery")
    words: list[str] = Field(description="The printed words; images take turns")
    transforms: list[TransformRecord]
    stands_out: float = Field(description="A head stands out whose ratio_low lies above this")
    reads: float = Field(description="A head reads whose beyond_low lies above this")


class TransformEffect(Record):
    """How far a transform moves a head; intervals hold 95% of bootstrap samples of images."""

    transform: str
    effect: float = Field(
        description="E‖Δy‖² / (2 Var y): 0 is no effect, 1 as much as another picture"
    )
    low: float
    high: float
    ratio: float = Field(description="effect divided by its mean over the heads")
    ratio_low: float
    ratio_high: float
    stands_out: bool = Field(description="ratio_low lies above the threshold of the model")


class WordReading(Record):
    """How far a printed word moves a head's contribution towards the word's own text."""

    towards: float = Field(description="Mean of <Δc, text of the word>")
    deviations: float = Field(description="The same in standard deviations of <c, text>")
    beyond: float = Field(description="The same minus the mean over the texts of the other words")
    beyond_low: float
    beyond_high: float
    reads: bool = Field(description="beyond_low lies above the threshold of the model")


class HeadProfile(Record):
    """The causal profile of a head."""

    effects: list[TransformEffect] = Field(description="In the order of ModelProfile.transforms")
    reading: WordReading


class ProfileRecord(Record):
    """`<model>/profile.json`."""

    format: Literal[1] = 1
    model: ModelProfile
    heads: dict[str, HeadProfile]
