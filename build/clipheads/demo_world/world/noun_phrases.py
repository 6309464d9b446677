"""How an object is named alone, several times, or with a size.

single("skis")          skis
several("skis", "two")  two pairs of skis
sized("skis", "large")  a large pair of skis
"""

import re

from clipheads.bundle.plurals import plural


def single(name: str) -> str:
    """Name a single object: "an owl", "skis", "bread"."""
    return name if name in UNITS else with_article(name)


def several(name: str, count: str) -> str:
    """Name objects with their number in words: "three owls", "three loaves of bread"."""
    if name in UNITS:
        _, unit = UNITS[name]
        return f"{count} {unit}"
    return f"{count} {PLURALS.get(name) or plural_as_trained(name)}"


def sized(name: str, size: str) -> str:
    """Name an object with its size: "a large owl", "a large loaf of bread"."""
    return with_article(f"{size} {UNITS[name][0] if name in UNITS else name}")


def _of(unit: str, units: str, *names: str) -> dict[str, tuple[str, str]]:
    return {name: (f"{unit} of {name}", f"{units} of {name}") for name in names}


UNITS: dict[str, tuple[str, str]] = {
    **_of(
        "pair", "pairs",
        "glasses", "goggles", "headphones", "jeans", "shorts", "socks", "gloves", "skis",
        "chopsticks", "maracas", "theatre masks", "crossed fingers", "clapping hands",
        "folded hands", "heart hands", "revolving hearts", "clinking beer mugs",
    ),
    **_of(
        "set", "sets",
        "fork and knife", "pencil and paper", "bowling ball and pins", "nesting dolls",
    ),
    **_of("piece", "pieces", "coral", "butter", "sushi", "candy", "luggage", "meat on the bone"),
    **_of("loaf", "loaves", "bread", "baguette bread"),
    **_of("bunch", "bunches", "grapes"),
    **_of("bowl", "bowls", "noodle soup", "shaved ice"),
    **_of("slice", "slices", "bacon"),
    **_of("head", "heads", "broccoli"),
    **_of("ear", "ears", "corn"),
    **_of("bulb", "bulbs", "garlic"),
    **_of("handful", "handfuls", "blueberries"),
    **_of("portion", "portions", "french fries"),
    **_of("box", "boxes", "popcorn"),
    **_of("stack", "stacks", "pancakes", "books"),
    **_of("shaker", "shakers", "salt"),
    **_of("pot", "pots", "fondue"),
    **_of("skewer", "skewers", "dango"),
    **_of("cup", "cups", "bubble tea"),
    **_of("burst", "bursts", "fireworks"),
    **_of("cluster", "clusters", "sparkles"),
    **_of("wad", "wads", "money with wings"),
    **_of("strand", "strands", "DNA"),
    "cherries": ("pair of cherries", "cherries"),
    "fire": ("fire", "fires"),
    "green salad": ("green salad", "green salads"),
    "Santa Claus": ("Santa Claus", "Santa Clauses"),
    "thumbs up": ("thumbs up", "thumbs up"),
    "thumbs down": ("thumbs down", "thumbs down"),
}  # fmt: skip
"""Names that take no article, each with its counting unit in the singular and the plural."""

PLURALS = {
    "fish cake with swirl": "fish cakes with swirls",
    "bow and arrow": "bows and arrows",
    "nut and bolt": "nuts and bolts",
    "face of a person": "faces of people",
    "person in a turban": "people in turbans",
    "smiling face with halo": "smiling faces with halos",
    "ill face with a thermometer": "ill faces with thermometers",
    "frying pan with an egg": "frying pans with eggs",
    "sun behind a cloud": "suns behind clouds",
    "heart with arrow": "hearts with arrows",
    "heart with ribbon": "hearts with ribbons",
    "open mailbox with raised flag": "open mailboxes with raised flags",
    "open mailbox with lowered flag": "open mailboxes with lowered flags",
}
"""Where more than the first noun changes."""


def with_article(name: str) -> str:
    """Put "a" or "an" before a name, but not before plurals and mass nouns."""
    if name in _WITHOUT_ARTICLE:
        return name
    vowel = name[0] in "aeiouAO" and not name.startswith(("uni", "one"))
    return f"{'an' if vowel or name.startswith(('hour', 'X-ray')) else 'a'} {name}"


def plural_as_trained(name: str) -> str:
    """Put the noun of a name into the plural: "flag of Japan" becomes "flags of Japan"."""
    noun, *rest = _JOINT.split(name, maxsplit=1)
    first, space, last = noun.rpartition(" ")
    if noun in _WITHOUT_ARTICLE:
        counted = last
    elif last == "person":
        counted = "persons"  # as the captions had it that the demo CLIP was trained on
    else:
        counted = plural(last)
    return "".join((first, space, counted, *rest))


_JOINT = re.compile(r"( (?:of|with|in|on|at|behind|screaming|pointing) )")
_WITHOUT_ARTICLE = frozenset(
    "bacon,bread,broccoli,corn,jeans,socks,glasses,headphones,grapes,cherries,french fries,"
    "popcorn,sushi,fire,baguette bread,pencil and paper,bowling ball and pins,green salad,"
    "noodle soup,blueberries,pancakes,butter,salt,fondue,dango,fish cake with swirl,shaved ice,"
    "chopsticks,fork and knife,fireworks,sparkles,theatre masks,maracas,books,money with wings,"
    "skis,goggles,gloves,shorts,DNA,nesting dolls,coral,revolving hearts,heart hands,"
    "clapping hands,folded hands,garlic,Santa Claus,bubble tea,crossed fingers,"
    "thumbs up,thumbs down,luggage,candy".split(",")
)
