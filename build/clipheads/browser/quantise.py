"""Round rows of numbers to small integers that share a scale."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantise(
    rows: NDArray[Any], kind: type[np.signedinteger[Any]]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Round rows [..., n] to integers times one float32 scale for each row.

    The largest value of a row becomes the largest integer; a row of zeros has the scale zero.

    Returns:
        The integers [..., n], and the scales [...].

    >>> quantise(np.array([[1.0, -127.0], [0.0, 0.0]]), np.int8)[0].tolist()
    [[1, -127], [0, 0]]
    """
    limit = np.iinfo(kind).max
    scales = (np.abs(rows).max(axis=-1) / limit).astype(np.float32)
    divisors = np.where(scales > 0, scales, np.float32(1))[..., None]
    return np.clip(np.rint(rows / divisors), -limit, limit).astype(kind), scales
