"""The relatives of the heads of synthetic bundles: CKA of their coordinates, and invented texts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.model import ModelRecord
from clipheads.bundle.relatives import (
    HeadRelatives,
    OtherRelativesRecord,
    OwnRelatives,
    Relative,
)

Floats = NDArray[np.float32]


def cka(left: Floats, right: Floats) -> NDArray[np.float64]:
    """Linear CKA [heads of left, heads of right], of coordinates images × heads × rank."""
    kernels = []
    for coordinates in (left, right):
        rows = (coordinates - coordinates.mean(0)).transpose(1, 0, 2).astype(np.float64)
        flat = (rows @ rows.transpose(0, 2, 1)).reshape(len(rows), -1)
        kernels.append(flat / np.linalg.norm(flat, axis=1, keepdims=True))
    return np.clip(kernels[0] @ kernels[1].T, 0, 1)


def own_relatives(
    similarity: NDArray[np.float64], position: int, ids: Sequence[str], texts: Sequence[str]
) -> OwnRelatives:
    """Those of the head at this position; every second head shares two of its texts."""
    found = _relatives(similarity, position, ids, texts)
    return OwnRelatives(**dict(found), dimension=3.5)


def other_relatives(
    model: ModelRecord, other: ModelRecord, coordinates: Floats, others: Floats
) -> OtherRelativesRecord:
    """Those of the heads of a model in another one."""
    similarity = cka(coordinates, others)
    ids = [head.id for head in other.heads]
    return OtherRelativesRecord(
        model=model.name,
        other=other.name,
        fingerprint=model.relatives.fingerprint,
        other_fingerprint=other.relatives.fingerprint,
        heads={
            head.id: _relatives(similarity[row], None, ids, [head.first_description, "stripes"])
            for row, head in enumerate(model.heads)
        },
    )


def _relatives(
    similarity: NDArray[np.float64], own: int | None, ids: Sequence[str], texts: Sequence[str]
) -> HeadRelatives:
    others = [other for other in range(len(ids)) if other != own]

    def relative(other: int) -> Relative:
        shares = other % 2 == 1
        return Relative(
            head=ids[other],
            cka=float(similarity[other]),
            chance=0.05,
            texts=0.25 if shares else 0.0,
            properties=0.4,
            shared=list(texts[:2]) if shares else [],
        )

    by_cka = sorted(others, key=lambda other: -similarity[other])
    return HeadRelatives(
        cka=[round(float(value), 3) for value in similarity],
        median=float(np.median(similarity[others])) if others else None,
        by_cka=[relative(other) for other in by_cka[:6]],
        by_descriptions=[relative(other) for other in others if other % 2 == 1][:6],
    )
