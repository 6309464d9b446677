"""The stage `spread`: how each head's contribution is distributed over the whole gallery."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from clipheads.bundle.names import head_id
from clipheads.bundle.spread import (
    AlongText,
    Distribution,
    HeadSpread,
    PrincipalDirection,
    Sample,
    Tenth,
)
from clipheads.maths.spread import (
    NOISE,
    effective_dimension,
    principal_directions,
    share_along,
    texts_at_poles,
    varies,
)
from clipheads.maths.spread import spread as spread_of
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import BASIS, COORDINATES, STATISTICS
from clipheads.stages.engine import Fields, Part, Stage
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.inputs import HEADS
from clipheads.stages.labels import LABELS
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store, Tensors
from clipheads.stages.text_span import TEXTSPAN
from clipheads.stages.texts import DESCRIPTIONS, POOL

PRINCIPAL_DIRECTIONS = 3
"""Of each head, as far as it varies."""

PRINCIPAL = Tensors("principal.safetensors")
"""Of each head in float64: `directions` [heads, 3, r] and `variances` [heads, 3] along them, 0
where the head does not vary; `poles` [heads, 3, 2], the texts of the pool that lie furthest along
each downwards and upwards; `effective_dimensions` and `text_shares` [heads]"""


def _make(store: Store) -> None:
    heads = store.get(HEADS)
    texts, basis = store.tensor(DESCRIPTIONS, "embeddings"), store.tensor(BASIS, "basis")
    means, covariances = (store.tensor(STATISTICS, name) for name in ("mean", "covariance"))
    count, rank = len(heads), basis.shape[2]
    directions = torch.zeros(count, PRINCIPAL_DIRECTIONS, rank, dtype=torch.float64)
    variances = torch.zeros(count, PRINCIPAL_DIRECTIONS, dtype=torch.float64)
    poles = torch.zeros(count, PRINCIPAL_DIRECTIONS, 2, dtype=torch.int64)
    dimensions, shares = torch.zeros(count).double(), torch.zeros(count).double()
    with store.steps(count, "heads") as advance:
        for head, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
            if varies(covariance, mean):
                own = principal_directions(covariance, mean, PRINCIPAL_DIRECTIONS)
                projected = texts @ basis[head]
                found = len(own.variances)
                directions[head, :found] = own.directions
                variances[head, :found] = own.variances
                poles[head, :found] = torch.tensor(texts_at_poles(own.directions, projected))
                dimensions[head] = effective_dimension(covariance)
                shares[head] = share_along(covariance, projected).mean()
            advance(1)
    store.write_tensors(
        PRINCIPAL,
        {
            "directions": directions,
            "variances": variances,
            "poles": poles,
            "effective_dimensions": dimensions,
            "text_shares": shares,
        },
    )


def _of_heads(store: Store) -> Iterator[Fields]:
    coordinates, images = store.tensor(COORDINATES, "coordinates"), image_ids(store)
    dimensions, shares = (
        store.tensor(PRINCIPAL, name).tolist() for name in ("effective_dimensions", "text_shares")
    )
    for head, identity in enumerate(store.record(CHECKPOINT).heads):
        y = coordinates[:, head].double()
        yield {
            "spread": HeadSpread(
                effective_dimension=rounded(dimensions[head]),
                text_share=rounded(shares[head]),
                label=_along_label(store, head, head_id(*identity), y, images),
                principal=list(_principal(store, head, y, images)),
            )
        }


def _along_label(
    store: Store, head: int, identity: str, y: Tensor, images: Sequence[str]
) -> AlongText | None:
    """Along the first description that matches the label, or else the first of all."""
    picks = store.record(TEXTSPAN).root[identity]
    if not picks:
        return None
    matches = store.record(LABELS).heads[identity].matches
    position = matches.index(True) if True in matches else 0
    row = picks[position].index
    query = store.tensor(DESCRIPTIONS, "embeddings")[row] @ store.tensor(BASIS, "basis")[head]
    covariance = store.tensor(STATISTICS, "covariance")[head]
    text = store.record(POOL).texts[row]
    noise = NOISE * float(y.norm(dim=1).max())
    return AlongText(
        text=text.text,
        property=text.property,
        matches_label=matches[position],
        share=rounded(float(share_along(covariance, query[None])[0])),
        values=_distribution(y @ query.double(), noise, images),
    )


def _principal(
    store: Store, head: int, y: Tensor, images: Sequence[str]
) -> Iterator[PrincipalDirection]:
    texts = store.record(POOL).texts
    mean = store.tensor(STATISTICS, "mean")[head]
    total = store.tensor(STATISTICS, "covariance")[head].diagonal().sum()
    directions, variances, poles = (
        store.tensor(PRINCIPAL, name)[head] for name in ("directions", "variances", "poles")
    )
    for direction, variance, (low, high) in zip(directions, variances, poles.tolist(), strict=True):
        if variance > 0:
            yield PrincipalDirection(
                share=rounded(float(variance / total)),
                low_text=texts[low].text,
                high_text=texts[high].text,
                values=_distribution((y - mean) @ direction / variance.sqrt(), 0.0, images),
            )


def _distribution(values: Tensor, noise: float, images: Sequence[str]) -> Distribution:
    found = spread_of(values, noise)

    def samples(positions: Sequence[int]) -> list[Sample]:
        return [Sample(image=images[at], value=rounded(found.values[at])) for at in positions]

    return Distribution(
        quantiles=[rounded(value) for value in found.quantiles],
        counts=found.counts,
        lowest=samples(found.lowest),
        tenths=[
            Tenth(median=rounded(median), samples=samples(own)) for median, own in found.tenths
        ],
        highest=samples(found.highest),
    )


spread = Stage(
    "spread",
    _make,
    reads=(HEADS, BASIS, STATISTICS, DESCRIPTIONS),
    writes=(PRINCIPAL,),
    settings=("stages.spread.PRINCIPAL_DIRECTIONS", "maths.spread.NOISE"),
    part=Part(
        reads=(
            CHECKPOINT,
            MANIFEST,
            BASIS,
            COORDINATES,
            STATISTICS,
            DESCRIPTIONS,
            POOL,
            TEXTSPAN,
            LABELS,
            PRINCIPAL,
        ),
        heads=_of_heads,
        settings=(
            "bundle.spread.TENTHS",
            "bundle.spread.MOST_BINS",
            "maths.spread.POLE_SAMPLES",
            "maths.spread.TENTH_SAMPLES",
            "maths.spread.NOISE",
        ),
    ),
)
