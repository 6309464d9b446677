"""The distribution of a synthetic head over the drawn pictures, with NumPy alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.head import DescriptionRecord
from clipheads.bundle.spread import (
    AlongText,
    Distribution,
    HeadSpread,
    PrincipalDirection,
    Sample,
    Tenth,
)


def spread_of(
    contributions: NDArray[np.floating], ids: Sequence[str], descriptions: list[DescriptionRecord]
) -> HeadSpread:
    """Distributions of contributions [images, r]; the label's is along their sum."""
    centred = contributions.astype(np.float64) - contributions.mean(0)
    _, deviations, directions = np.linalg.svd(centred, full_matrices=False)
    variances = deviations**2
    first = next((d for d in descriptions if d.matches_label), descriptions[0])
    return HeadSpread(
        effective_dimension=float(variances.sum() ** 2 / (variances**2).sum()),
        text_share=0.04,
        label=AlongText(
            text=first.text,
            property=first.property,
            matches_label=first.matches_label,
            share=0.21,
            values=distribution_of(0.001 * contributions.sum(1), ids),
        ),
        principal=[
            PrincipalDirection(
                share=float(variances[k] / variances.sum()),
                low_text=f"An image of <low {k}>",
                high_text=f"An image of <high {k}>",
                values=distribution_of(centred @ directions[k] / deviations[k], ids),
            )
            for k in range(min(3, len(variances) - 1))
        ],
    )


def distribution_of(values: NDArray[np.floating], ids: Sequence[str]) -> Distribution:
    """The distribution of a value of each picture."""
    own = values.astype(np.float64)
    order = np.argsort(own, kind="stable")

    def samples(positions: NDArray[np.intp]) -> list[Sample]:
        return [Sample(image=ids[at], value=float(own[at])) for at in positions]

    return Distribution(
        quantiles=np.quantile(own, np.linspace(0, 1, 11)).tolist(),
        counts=np.histogram(own, bins=4)[0].tolist(),
        lowest=samples(order[:4]),
        tenths=[
            Tenth(median=float(np.median(own[part])), samples=samples(part[:2]))
            for part in np.array_split(order, min(10, len(own)))
        ],
        highest=samples(order[::-1][:4]),
    )
