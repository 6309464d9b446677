"""Which attribute some images share: the one whose values are enriched most, by a binomial test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb

from clipheads.truth.neighbour_precision import Values


def shared_attribute(shown: Sequence[int], attributes: Mapping[str, Values]) -> str:
    """Name the attribute that some images have in common, by a binomial test.

    Args:
        shown: indices of the images, such as the top images of a head.
        attributes: of all images of the gallery.

    Returns:
        The attribute with the value that is least likely so often by chance: the lowest binomial
        probability of at least as many among so many images.
    """
    p_values: dict[str, float] = {}
    for attribute, values in attributes.items():
        shares = Counter(value for value in values if value is not None)
        found = Counter(value for index in shown if (value := values[index]) is not None)
        p_values[attribute] = min(
            (
                _at_least(times, len(shown), shares[value] / len(values))
                for value, times in found.items()
            ),
            default=1.0,
        )
    return min(p_values, key=lambda attribute: p_values[attribute])


def _at_least(times: int, of: int, chance: float) -> float:
    """Binomial probability of `times` or more hits in `of` draws."""
    return sum(comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(times, of + 1))
