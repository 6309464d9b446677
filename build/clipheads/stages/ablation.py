"""The stage `ablation`: how much each head matters, by replacing it with its mean."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from clipheads.browser.projections import save_tensors
from clipheads.bundle.ablation import (
    AblationRecord,
    Estimate,
    HeadAblation,
    ModelAblation,
    Question,
    QuestionAblation,
)
from clipheads.bundle.model import Architecture
from clipheads.bundle.names import head_id
from clipheads.bundle.pool import PoolRecord
from clipheads.maths.answer_ablation import Answers, ablated_answers
from clipheads.maths.patching import Ablated, ablate, mean_outputs
from clipheads.maths.sensitivity import Index, resampling
from clipheads.maths.total_effect import measure_effects
from clipheads.maths.zero_shot import answer_texts
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import BASIS, COORDINATES, STATISTICS
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery_pass import batches
from clipheads.stages.inputs import HEADS, IMAGES, MODEL
from clipheads.stages.rounding import rounded
from clipheads.stages.sampling import evenly_spread
from clipheads.stages.store import RecordFile, Store
from clipheads.stages.texts import DESCRIPTIONS, POOL

QUESTION_IMAGES = 512
MEAN_IMAGES = 64
"""Images over which the output of a head is averaged in the forward pass."""
PATCHED_PASSES = 0.6
"""Forward passes for each image of the gallery that direct and total effects may cost together."""
FEWEST_PATCHED, MOST_PATCHED = 4, 64
"""Images that are patched at least, even if they cost more, and at most."""
SHARD_PATCHED = 4
CLEAR = 4.0
"""A question is clearly affected whose score lies above this: so far beyond the mean head that it
is hardly chance, though there are many heads and questions."""

ABLATION = RecordFile("ablation.json", AblationRecord)


def patched_images(
    gallery_images: int, architecture: Architecture, heads: Sequence[tuple[int, int]]
) -> int:
    """How many images `PATCHED_PASSES` are enough for: a head costs the blocks that follow it."""
    blocks = sum(architecture.layers - layer for layer, _ in heads)
    affordable = int(PATCHED_PASSES * gallery_images * architecture.layers / blocks)
    return min(MOST_PATCHED, max(FEWEST_PATCHED, affordable))


def questions_of(pool: PoolRecord) -> dict[str, list[int]]:
    """The rows of each property's texts; of all texts, if none has a property."""
    rows = pool.rows_by_property or {pool.name: list(range(len(pool.texts)))}
    return {name: own for name, own in rows.items() if len(own) > 1}


def _make(store: Store) -> None:
    heads = store.get(HEADS)
    questions = questions_of(store.record(POOL))
    asked = evenly_spread(len(store.get(IMAGES)), QUESTION_IMAGES)
    answers = _answers(store, asked, list(questions.values())) if questions else None
    patched = _patched(store)
    effects = measure_effects(patched)
    texts = store.tensor(DESCRIPTIONS, "embeddings")
    before, direct, total = (
        answer_texts(embeddings, texts, list(questions.values()))[0]
        if questions
        else torch.zeros(*embeddings.shape[:-1], 0)
        for embeddings in (patched.whole[:, None], patched.direct, patched.total)
    )
    overall = _overall(answers) if answers else None
    affected = _affected(answers, list(questions)) if answers else [[] for _ in heads]

    def changed(after: Tensor, head: int) -> float | None:
        share = (after[:, head] != before[:, 0]).double().mean()
        return rounded(float(share)) if questions else None

    records = {
        head_id(*head): HeadAblation(
            answers_changed=_estimate(overall, at) if overall else None,
            questions=affected[at],
            direct=_measured(effects.direct, at),
            total=_measured(effects.total, at),
            ratio=_estimate(effects.ratio, at),
            kept=_estimate(effects.kept, at),
            direct_changed=changed(direct, at),
            total_changed=changed(total, at),
        )
        for at, head in enumerate(heads)
    }
    model = ModelAblation(
        questions=_questions(answers, questions) if answers else [],
        question_images=len(asked),
        mean_images=min(len(store.get(IMAGES)), MEAN_IMAGES),
        patched_images=len(patched.whole),
        norm_error=rounded(effects.norm_error),
        clear=CLEAR,
    )
    store.write_record(ABLATION.path, AblationRecord(model=model, heads=records))


def _answers(store: Store, asked: list[int], questions: list[list[int]]) -> Answers:
    coordinates = store.tensor(COORDINATES, "coordinates")[asked]
    return ablated_answers(
        store.tensor(COORDINATES, "embeddings")[asked],
        coordinates - store.tensor(STATISTICS, "mean").float(),
        store.tensor(BASIS, "basis"),
        store.tensor(DESCRIPTIONS, "embeddings"),
        questions,
    )


def _patched(store: Store) -> Ablated:
    """Ablate every head in the forward passes of a sample of the gallery."""
    model, heads, files = store.get(MODEL), store.get(HEADS), store.get(IMAGES)
    paths = [file.path for file in files]
    wanted = evenly_spread(len(files), patched_images(len(files), model.architecture, heads))
    parts = [wanted[at : at + SHARD_PATCHED] for at in range(0, len(wanted), SHARD_PATCHED)]

    def pixels(positions: Iterable[int], size: int) -> Iterator[Tensor]:
        for batch in batches(model, [paths[position] for position in positions], size):
            yield batch.to(model.device)

    @cache
    def means() -> list[Tensor]:
        some = evenly_spread(len(files), MEAN_IMAGES)
        return mean_outputs(model.tower, pixels(some, store.batch_size))

    def make(index: int, path: Path) -> None:
        # The heads of a layer go through the rest together.
        at_once = max(1, store.batch_size // model.architecture.heads)
        found = [
            ablate(model.tower, batch, heads, means()) for batch in pixels(parts[index], at_once)
        ]
        save_tensors(
            path,
            {
                name: torch.cat([getattr(ablated, name).cpu() for ablated in found])
                for name in ("whole", "frozen", "direct", "total")
            },
        )

    with store.steps(len(wanted), "images") as advance:
        shards = []
        for index, path in store.shards(len(parts), make):
            shards.append(load_file(path))
            advance(len(parts[index]))
    return Ablated(**{name: torch.cat([shard[name] for shard in shards]) for name in shards[0]})


def _overall(answers: Answers) -> Index:
    """Share of all answers that change with each head, with its bootstrap over images."""
    changed = answers.changed.double().mean(dim=2)  # [images, heads]
    return Index(changed.mean(dim=0), resampling(len(changed)) @ changed)


def _affected(answers: Answers, names: Sequence[str]) -> list[list[QuestionAblation]]:
    """For each head all questions, the most affected first."""
    changed = answers.changed.double().mean(dim=0)  # [heads, Q]
    mean = changed.mean(dim=0)
    error = (mean * (1 - mean) / len(answers.changed)).sqrt()
    scores = torch.where(error > 0, (changed - mean) / error, 0.0)
    # A question that leaves no margin, as one whose texts all have one embedding, loses none.
    lost = torch.where(answers.margin > 0, answers.lost / answers.margin, 0.0)
    return [
        [
            QuestionAblation(
                property=names[at],
                changed=rounded(float(changed[head, at])),
                mean=rounded(float(mean[at])),
                score=rounded(float(scores[head, at])),
                margin_lost=rounded(float(lost[head, at])),
            )
            for at in scores[head].argsort(descending=True, stable=True).tolist()
        ]
        for head in range(len(changed))
    ]


def _questions(answers: Answers, questions: dict[str, list[int]]) -> list[Question]:
    return [
        Question(property=name, texts=len(rows), margin=rounded(float(margin)))
        for (name, rows), margin in zip(questions.items(), answers.margin, strict=True)
    ]


def _measured(index: Index, at: int) -> Estimate:
    """An effect, which may be far below a millionth."""
    values = (float(row[at]) for row in (index.value, index.low, index.high))
    value, low, high = (float(f"{number:.6g}") for number in values)
    return Estimate(value=value, low=low, high=high)


def _estimate(index: Index, at: int) -> Estimate | None:
    """The value of one head; None if it has none."""
    return None if index.value[at].isnan() else _measured(index, at)


def _of_heads(store: Store) -> Iterator[Fields]:
    for head in store.record(CHECKPOINT).heads:
        yield {"ablation": store.record(ABLATION).heads[head_id(*head)]}


def _of_model(store: Store) -> Fields:
    return {"ablation": store.record(ABLATION).model}


ablation = Stage(
    "ablation",
    _make,
    reads=(MODEL, HEADS, IMAGES, POOL, DESCRIPTIONS, BASIS, COORDINATES, STATISTICS),
    writes=(ABLATION,),
    settings=(
        "stages.ablation.QUESTION_IMAGES",
        "stages.ablation.MEAN_IMAGES",
        "stages.ablation.PATCHED_PASSES",
        "stages.ablation.FEWEST_PATCHED",
        "stages.ablation.MOST_PATCHED",
        "stages.ablation.SHARD_PATCHED",
        "stages.ablation.CLEAR",
        "maths.total_effect.SMALLEST_EFFECT",
        "maths.sensitivity.PERCENTILES",
        "bundle.profile.RESAMPLES",
    ),
    part=Part(reads=(CHECKPOINT, ABLATION), heads=_of_heads, model=_of_model),
)
