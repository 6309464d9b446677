"""Samples of a gallery or of a pool."""


def evenly_spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` positions of `count`, evenly spread.

    >>> evenly_spread(10, 4)
    [0, 2, 5, 7]
    """
    some = min(count, wanted)
    return [index * count // some for index in range(some)]
