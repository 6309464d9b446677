"""When two labels are the same."""

import re
import unicodedata


def fold_label(text: str) -> str:
    """Fold case, punctuation and plural: labels that fold to the same are the same.

    >>> fold_label("Facial expressions.") == fold_label("facial Expression")
    True
    >>> fold_label("Bodyparts") == fold_label("Body part")
    False
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"[’']s\b|[’']", "", plain)
    return " ".join(_singular(word) for word in re.findall(r"\w+", plain.replace("_", " ")))


_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "mice": "mouse", "oxen": "ox", "dice": "die",
    "cacti": "cactus", "fungi": "fungus", "buses": "bus", "gases": "gas", "lenses": "lens",
    "irises": "iris", "atlases": "atlas", "canvases": "canvas", "viruses": "virus",
    "circuses": "circus", "octopuses": "octopus", "walruses": "walrus", "cactuses": "cactus",
    "leaves": "leaf", "wolves": "wolf", "knives": "knife", "shelves": "shelf",
    "scarves": "scarf", "halves": "half", "calves": "calf", "loaves": "loaf", "lives": "life",
    "thieves": "thief", "wives": "wife", "elves": "elf", "hooves": "hoof",
    "potatoes": "potato", "tomatoes": "tomato", "heroes": "hero", "volcanoes": "volcano",
    "mangoes": "mango", "mosquitoes": "mosquito", "buffaloes": "buffalo",
    "movies": "movie", "cookies": "cookie", "zombies": "zombie", "selfies": "selfie",
    "brownies": "brownie", "smoothies": "smoothie", "hoodies": "hoodie", "genies": "genie",
    "headaches": "headache", "moustaches": "moustache", "axes": "axe",
}  # fmt: skip
_SINGULAR = frozenset(
    {"lens", "gas", "atlas", "canvas", "christmas", "series", "species", "news", "yes", "always"}
)


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _SINGULAR or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word.removesuffix("s")
