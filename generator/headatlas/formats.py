"""How numbers, counts and long texts are written on pages."""

MINUS = "\N{MINUS SIGN}"
TITLE_LENGTH = 65
DESCRIPTION_LENGTH = 160
"""Longer ones are cut by search engines, in places that they choose."""
SITE = "CLIP Head Atlas"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def full_title(title: str) -> str:
    """The title of a page with the site's name behind it, as far as both fit."""
    whole = f"{title} · {SITE}"
    return title if title == SITE or len(whole) > TITLE_LENGTH else whole


def shortened(text: str, length: int = DESCRIPTION_LENGTH) -> str:
    """The text, cut between two words if it is longer than `length`.

    >>> shortened("Where a model sees one text rather than another", 20)
    'Where a model sees…'
    """
    if len(text) <= length:
        return text
    cut = text[:length]
    return cut[: cut.rfind(" ") if " " in cut else length - 1].rstrip(" ,;:.") + "…"


def in_words(count: int) -> str:
    """A count as prose has it: "four", "ten", but "12"."""
    return WORDS[count] if count < len(WORDS) else thousands(count)


def points(share: float) -> str:
    """A difference of two shares in percentage points, with its sign: 0.17 gives "+17.0 points"."""
    text = decimal(100 * share, 1)
    return f"{text if text.startswith(MINUS) else '+' + text} points"


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: 0.0312 gives "3.1%"."""
    text = f"{abs(share) * 100:.{digits}f}"
    sign = MINUS if share < 0 and float(text) != 0 else ""
    return f"{sign}{text}%"


def decimal(value: float, digits: int = 2) -> str:
    """A number with a fixed number of digits and a true minus sign."""
    text = f"{abs(value):.{digits}f}"
    sign = MINUS if value < 0 and float(text) != 0 else ""
    return sign + text


def significant(value: float) -> str:
    """A number with two significant digits, such as 0.0041 or 3.1e−7 as "3.1 × 10⁻⁷"."""
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e4:
        return f"{value:.2g}".replace("-", MINUS)
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}".replace("-", MINUS)


def thousands(value: int) -> str:
    """A whole number in groups of three digits, as in "86,192,640"."""
    return f"{value:,}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 head", "3 heads"."""
    return f"{thousands(count)} {noun}" if count == 1 else f"{thousands(count)} {noun}s"


def shade(value: float) -> str:
    """The class of a table's cell that is shaded by a value: `g0` from 0 down to `g10` at 1.

    >>> shade(0.42), shade(-0.3)
    ('g4', 'g0')
    """
    return f"g{round(10 * min(1.0, max(0.0, value)))}"


def ordinal(rank: int) -> str:
    """A rank in an order: 1st, 2nd, 3rd, 4th, 11th."""
    last = rank % 100 if rank % 100 in (11, 12, 13) else rank % 10
    return f"{rank}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"


def file_size(count: int) -> str:
    """A number of bytes in the unit that reads best.

    >>> file_size(12), file_size(3456), file_size(78_900_000)
    ('12 B', '3.5 kB', '78.9 MB')
    """
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
