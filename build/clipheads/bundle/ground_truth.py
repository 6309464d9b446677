"""`ground-truth.json`: how true the atlas of a demo model is, measured by interventions."""

from typing import Literal, Self

from pydantic import Field, model_validator

from clipheads.bundle.names import HeadId
from clipheads.bundle.record import Count, Record, Sha256

PRECISION_NEIGHBOURS = 8
"""Nearest neighbours over which their precision is measured."""

CAUSAL_GROUPS = ("object", "background", "style", "layout")
"""The groups of what a scene of the demo world shows; each head has an effect of each."""


class CausalEffect(Record):
    """How far changing one thing of a scene, and nothing else, moves a head."""

    name: str = Field(description="A group of what a scene shows, or an attribute within one")
    total: float = Field(
        description="E|y(changed) - y|^2 / (2 Var y): 1 is as far as another scene would"
    )
    low: float = Field(description="2.5th percentile by bootstrap over the pairs of scenes")
    high: float = Field(description="97.5th percentile")
    first_order: float | None = Field(
        default=None,
        description="First-order index: its effect without interactions; None for an attribute",
    )


class AnswerTruth(Record):
    """Which images show an answer of a label."""

    text: str = Field(description="The answer")
    shows: list[bool] = Field(description="Whether each of its images, the nearest in the head")
    images: Count = Field(description="How many of all images of the gallery")


class HeadTruth(Record):
    """What moves a head, beside its label."""

    id: HeadId
    variance_share: float
    groups: list[CausalEffect] = Field(description="Of all groups, the largest total first")
    attributes: list[CausalEffect] = Field(description="Of the first group, the largest first")
    property: str | None = Field(
        description="True property, in the pool's taxonomy; None for a mixed head"
    )
    label: str | None = Field(description="Of the bundle's labeller")
    right: bool | None = Field(
        description="The label is the true property or a wider one; None where either is missing"
    )
    hits: list[int | None] = Field(
        description="For each description, how many of its images show it; None if a single scene"
        " cannot show it"
    )
    answers: list[AnswerTruth | None] = Field(
        description="For each answer of the label; None if a single scene cannot show it"
    )
    neighbours: str = Field(description="The attribute in which neighbours are compared")
    neighbour_precision: float = Field(
        description="Share of the 8 nearest scenes, by cosine in this head, with the same value"
    )

    @model_validator(mode="after")
    def _every_group_once(self) -> Self:
        if sorted(effect.name for effect in self.groups) != sorted(CAUSAL_GROUPS):
            raise ValueError(f"{self.id} has not one effect of each group")
        return self


class LabelTruth(Record):
    """How many labels of a method are right, over the scored layers' heads with a true property."""

    method: str = Field(pattern=r"^(published|explained|majority|count|neighbours|top images)$")
    heads: int = Field(description="Heads of the scored layers with a true property")
    labelled: int = Field(description="Of these, with a label")
    right: int = Field(description="Labels that are the true property or a wider one")
    right_variance: float = Field(
        description="Share of these heads' variance that is in rightly labelled heads"
    )
    too_narrow: int = Field(description="Labels below the true property, or beside it in its group")
    chance: float | None = Field(
        description="Chance: expected number of right labels over all their permutations"
    )
    same_label: float | None = Field(
        default=None,
        description="Share of heads with the same label, or none, over another gallery",
    )


class ModelLabelTruth(Record):
    """The methods of labelling on one demo CLIP."""

    model: str
    recipe: str = Field(description="How the model was made")
    chosen_on: bool = Field(description="Whether the default labeller was chosen by this model")
    labels: list[LabelTruth]


class LabellerComparison(Record):
    """`data/demo/labellers.json`: all methods on the model that chose the default, and others."""

    format: Literal[1] = 1
    models: list[ModelLabelTruth]


class PropertyPrecision(Record):
    """Precision@8 of nearest neighbours, over the heads of which an attribute leads its group."""

    attribute: str
    heads: int
    precision: float
    whole_embedding: float
    chance: float


class MapTruth(Record):
    """Zero-shot segmentation by heat maps of a kind, scored by the masks of the named objects."""

    kind: Literal["topic", "contrast"]
    map: str = Field(description="What drew the map, in words")
    accuracy: float
    miou: float
    mean_precision: float
    maps: int


class Curve(Record):
    """Accuracy as more and more is ablated."""

    name: str
    values: list[float]


class Faithfulness(Record):
    """Zero-shot accuracy after replacing the contributions of heads."""

    by_descriptions: list[Curve] = Field(description="k = 1, 2, … descriptions for each head")
    by_random_texts: list[Curve] = Field(description="The same with texts drawn at random")
    untouched: list[Curve] = Field(description="One value each: no head is replaced")
    by_ablation: list[Curve] = Field(description="0, 1, 2, … heads mean-ablated")
    ablated: list[str] = Field(description="The heads, from the least to the most important")

    @model_validator(mode="after")
    def _every_question_in_each(self) -> Self:
        questions = [curve.name for curve in self.untouched]
        for curves in (self.by_descriptions, self.by_random_texts, self.by_ablation):
            if [curve.name for curve in curves] != questions or not questions:
                raise ValueError("the curves are not of the same questions")
        for curves in ([*self.by_descriptions, *self.by_random_texts], self.by_ablation):
            if len({len(curve.values) for curve in curves}) != 1 or not curves[0].values:
                raise ValueError("the curves of a kind are not of one length")
        if any(len(curve.values) != 1 for curve in self.untouched):
            raise ValueError("the curves of untouched heads are not one value each")
        return self


class ZeroShot(Record):
    """Zero-shot accuracy of a question about unseen scenes."""

    question: str
    accuracy: float
    heads_alone: float = Field(
        description="With all terms but the heads of the last four layers mean-ablated"
    )
    chance: float = Field(
        description="Majority baseline: accuracy of always giving the most frequent answer"
    )


class ProfileAgreement(Record):
    """How well transforms of pictures identify the heads of a true property."""

    property: str
    heads: int = Field(description="Heads with this true property")
    auc: dict[str, float] = Field(
        description="AUC by transform: how often it moves one of these heads more than another head"
    )
    chance: float = Field(description="As many heads drawn at random exceed this in 2.5% of draws")


class ProfileCorrelation(Record):
    """Rank correlation of transforms of pictures with a factor of the scene, over the heads."""

    factor: str
    correlations: dict[str, float] = Field(
        description="By transform: Spearman's correlation of its effect with the factor's"
    )
    chance: float = Field(
        description="95% of correlations of unrelated values lie within plus or minus this"
    )


class GroundTruthRecord(Record):
    """`<model>/ground-truth.json`: what is true of a model of the demo world."""

    format: Literal[1] = 1
    weights_sha256: Sha256
    gallery_sha256: Sha256
    pairs: Count = Field(description="Pairs of scenes whose groups are exchanged")
    passed_over: Count = Field(description="Pairs of which some group could not be exchanged")
    changes: Count = Field(description="Scenes of which an attribute is changed, for each")
    reference_scenes: Count = Field(description="Other scenes, on which importance is measured")
    lead: float = Field(
        description="An effect leads if it is so many times the second in 97.5% of the resamples"
    )
    zero_shot: list[ZeroShot]
    heads: list[HeadTruth]
    scored_layers: list[int]
    labels: list[LabelTruth] = Field(
        min_length=1, description="The first row is of the labels that the pages show"
    )
    same_first_descriptions: float = Field(
        description="Share of the first three descriptions that are the same over another gallery"
    )
    neighbours: list[PropertyPrecision]
    maps: list[MapTruth]
    faithfulness: Faithfulness
    agreement: list[ProfileAgreement] = Field(
        description="Whether the profile finds the heads of each group; empty without a profile"
    )
    correlations: list[ProfileCorrelation] = Field(
        description="Of the profile with the effects of the groups; empty without a profile"
    )

    @model_validator(mode="after")
    def _every_question_in_zero_shot(self) -> Self:
        questions = {row.question for row in self.zero_shot}
        if missing := {curve.name for curve in self.faithfulness.untouched} - questions:
            raise ValueError(f"zero_shot has no question {min(missing)}")
        return self
