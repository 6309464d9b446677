"""`ablation.json`: how much each head matters, by replacing it with its mean."""

from typing import Literal

from pydantic import Field

from clipheads.bundle.record import Record


class Estimate(Record):
    """A mean over images with its 95% bootstrap interval."""

    value: float
    low: float
    high: float


class Question(Record):
    """A zero-shot question: which text of a property is closest to an image."""

    property: str
    texts: int = Field(ge=2, description="Answers to choose from")
    margin: float = Field(
        description="Mean cosine of the answer minus the largest cosine of another text"
    )


class QuestionAblation(Record):
    """What mean ablation of a head's contribution does to the answers to one question."""

    property: str
    changed: float = Field(ge=0, le=1, description="Share of images whose answer changes")
    mean: float = Field(description="The same, mean over the heads of the model")
    score: float = Field(
        description="changed minus its mean over the heads, in binomial standard errors of that"
    )
    margin_lost: float = Field(
        description="Share of the question's mean margin by which the margin falls; can be negative"
    )


class HeadAblation(Record):
    """How much a head matters."""

    answers_changed: Estimate | None = Field(
        description="Share of zero-shot answers that change when the head's contribution is"
        " replaced by its mean: over all questions and sampled images; None without a question"
    )
    questions: list[QuestionAblation] = Field(description="Largest score first")
    direct: Estimate = Field(
        description="Mean of 1 - cosine of the embedding before and after ablation in the forward"
        " pass, with what later blocks add kept"
    )
    total: Estimate = Field(description="The same, with later blocks run again")
    ratio: Estimate | None = Field(description="total / direct; None if the head does nothing")
    kept: Estimate | None = Field(
        description="Sum of <total change, direct change> / sum of |direct change|^2 over images: 1"
        " if later blocks leave the direct change as it is; None if the head does nothing"
    )
    direct_changed: float | None = Field(
        description="Share of answers that change, over the images of `direct`"
    )
    total_changed: float | None = Field(description="The same with later blocks run again")


class ModelAblation(Record):
    """How the heads of a model were ablated."""

    questions: list[Question]
    question_images: int = Field(description="Images that are asked, evenly spaced")
    mean_images: int = Field(description="Images behind a head's mean output in the forward pass")
    patched_images: int = Field(description="Images behind direct and total effects")
    norm_error: float = Field(
        description="What keeping mean, deviation and length of the final normalisation errs by:"
        " root of sum |frozen change - direct change|^2 / sum |direct change|^2"
    )
    clear: float = Field(description="A question is clearly affected whose score lies above this")


class AblationRecord(Record):
    """`<model>/ablation.json`."""

    format: Literal[1] = 1
    model: ModelAblation
    heads: dict[str, HeadAblation]
