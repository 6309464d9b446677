"""What attribute some images share, judged by the images alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb

from clipheads.truth.neighbour_precision import Values


def shared_attribute(shown: Sequence[int], attributes: Mapping[str, Values]) -> str:
    """Name the attribute that some images have in common, judging by the images alone.

    Args:
        shown: indices of the images, such as a head's eight strongest.
        attributes: of all images of the gallery.

    Returns:
        The attribute with the value that would be hardest to meet so often by chance: the least
        binomial probability of at least as many among so many images.
    """
    surprise: dict[str, float] = {}
    for attribute, values in attributes.items():
        shares = Counter(value for value in values if value is not None)
        seen = [values[place] for place in shown]
        found = Counter(value for value in seen if value is not None)
        surprise[attribute] = min(
            (
                _at_least(times, len(shown), shares[value] / len(values))
                for value, times in found.items()
            ),
            default=1.0,
        )
    return min(surprise, key=lambda attribute: surprise[attribute])


def _at_least(times: int, of: int, chance: float) -> float:
    """Binomial probability of `times` or more hits in `of` draws."""
    return sum(comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(times, of + 1))
