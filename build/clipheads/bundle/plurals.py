"""English plurals, both ways: by rule, and from one table of what follows no rule.

>>> plural("wolf"), singular("wolves")
('wolves', 'wolf')
"""

import re

_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "snowman": "snowmen", "child": "children",
    "foot": "feet", "tooth": "teeth", "goose": "geese", "mouse": "mice", "ox": "oxen",
    "die": "dice", "fungus": "fungi", "leaf": "leaves", "sheaf": "sheaves", "wolf": "wolves",
    "knife": "knives", "shelf": "shelves", "scarf": "scarves", "half": "halves", "calf": "calves",
    "loaf": "loaves", "life": "lives", "thief": "thieves", "wife": "wives", "elf": "elves",
    "hoof": "hooves", "potato": "potatoes", "tomato": "tomatoes", "hero": "heroes",
    "superhero": "superheroes", "volcano": "volcanoes", "mango": "mangoes",
    "mosquito": "mosquitoes", "buffalo": "buffaloes",
    "deer": "deer", "moose": "moose", "sheep": "sheep", "bison": "bison", "fish": "fish",
    "pufferfish": "pufferfish", "jellyfish": "jellyfish", "squid": "squid",
    "aircraft": "aircraft", "watercraft": "watercraft",
}  # fmt: skip
_SINGULARS = {plural: singular for singular, plural in _IRREGULAR.items()} | {
    "cacti": "cactus",
    # Regular plurals, of whose ending more is the plural's or the noun's than elsewhere.
    **{f"{noun}es": noun for noun in (
        "bus", "gas", "lens", "iris", "atlas", "canvas", "virus", "circus", "octopus", "walrus",
        "cactus",
    )},
    **{f"{noun}s": noun for noun in (
        "movie", "cookie", "zombie", "selfie", "brownie", "smoothie", "hoodie", "genie",
        "headache", "moustache", "axe",
    )},
}  # fmt: skip
_WITHOUT_PLURAL_ENDING = frozenset(
    {"lens", "gas", "atlas", "canvas", "christmas", "series", "species", "news", "yes", "always"}
)


def plural(noun: str) -> str:
    """Return the plural of a noun in lower case."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def singular(word: str) -> str:
    """Return the singular of a noun in lower case; a word that is no plural is left as it is."""
    if word in _SINGULARS:
        return _SINGULARS[word]
    if word in _WITHOUT_PLURAL_ENDING or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word.removesuffix("s")
