"""Numbers as records hold them."""


def rounded(value: float) -> float:
    """Six decimals: below that float32 carries no information, and files would be larger."""
    return round(value, 6)
