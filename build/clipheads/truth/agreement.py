"""How often labels name what heads really separate, and how often chance would."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb

from clipheads.truth.separation import Values


def agreement(labels: Mapping[str, str | None], truth: Mapping[str, str]) -> tuple[int, int]:
    """Count the labelled heads whose label is their true property.

    Args:
        labels: property by head; None for a head without a label, which does not count.
        truth: the true property of every head.

    Returns:
        How many agree, and how many are labelled.
    """
    labelled = {head: label for head, label in labels.items() if label is not None}
    return sum(truth[head] == label for head, label in labelled.items()), len(labelled)


def agreement_by_chance(labels: Mapping[str, str | None], truth: Mapping[str, str]) -> float:
    """Share of agreement expected if the same labels were dealt to the same heads at random.

    Raises:
        ValueError: if no head is labelled.
    """
    labelled = [head for head, label in labels.items() if label is not None]
    if not labelled:
        raise ValueError("there is no label to deal")
    given = Counter(labels[head] for head in labelled)
    true = Counter(truth[head] for head in labelled)
    return sum(given[name] * true[name] for name in true) / len(labelled) ** 2


def property_of_images(shown: Sequence[int], attributes: Mapping[str, Values]) -> str:
    """Name the attribute that some images have in common, judging by the images alone.

    Args:
        shown: places of the images, such as a head's eight strongest.
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
