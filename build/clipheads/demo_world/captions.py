"""What can be said of a scene: captions for training, one text per attribute for questions.

The same words make the captions, the zero-shot prompts and the description pool, so that the
demo CLIP is asked only in words that it has seen.
"""

import re
from typing import NamedTuple

import numpy as np

from clipheads.demo_world.scenes import COLOURS, COUNTS, PATTERNS, POSITIONS, STYLES, Scene
from clipheads.demo_world.sprites import Sprites
from clipheads.descriptions import Description

STYLE_TEXTS = {
    "plain": "a clear picture in daylight",
    "monochrome": "a monochrome picture",
    "line drawing": "a line drawing",
    "night": "a picture at night",
    "blur": "a blurred picture",
    "sepia": "a sepia picture",
}
PATTERN_TEXTS = {
    pattern: f"a {pattern} background" if pattern != "gradient" else "a background with a gradient"
    for pattern in PATTERNS
}
COUNT_TEXTS = {
    1: "a single object",
    2: "two objects",
    3: "three objects",
    4: "four objects",
}
CATEGORY_NOUNS = {
    "clothing": "piece of clothing",
    "sky and weather": "thing in the sky",
    "sport": "piece of sports equipment",
    "game": "toy",
    "music": "thing for music",
    "technology": "technical device",
    "book and paper": "thing made of paper",
    "household": "household object",
    "heart": "heart shape",
}
"""Categories whose own name would not be English after "a picture of a"."""


Claims = dict[str, str | int | None]
"""Attributes of a scene by name, with their values."""


class Caption(NamedTuple):
    """A text, and the attributes that it speaks of: it is true of every scene that has them."""

    text: str
    claims: Claims


def scene_attributes(scene: Scene) -> Claims:
    """Everything that a caption can claim, with its value for this scene."""
    return {
        "object": scene.object.name,
        "category": scene.object.category,
        "colour": scene.visible_colour,
        "pattern": scene.pattern,
        "count": scene.count,
        "position": scene.position,
        "style": scene.style,
    }


def object_text(name: str) -> str:
    """The text that names an object, such as "a picture of an owl"."""
    return f"a picture of {_with_article(name)}"


def category_text(category: str) -> str:
    """The text that names a category, such as "a picture of a bird"."""
    return f"a picture of {_with_article(CATEGORY_NOUNS.get(category, category))}"


def colour_text(colour: str) -> str:
    """The text that names the background's colour."""
    return f"{_with_article(colour)} background"


def position_text(position: str) -> str:
    """The text that says where the object stands."""
    return f"an object {position}"


def caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """Say a random subset of what the scene shows.

    Every part is left out now and then, so that no part of the embedding can rely on another.
    Texts with one attribute alone are the same as the texts of the description pool.
    """
    if rng.random() < 0.3:
        single = attribute_captions(scene)
        return single[int(rng.integers(len(single)))]
    claimed = []
    if rng.random() < 0.5:
        words = [_style_words(scene.style, rng)]
        claimed.append("style")
    else:
        words = ["a picture of"]
    said_object = rng.random()
    if said_object < 0.9:
        attribute = "object" if said_object < 0.75 else "category"
        category = scene.object.category
        name = (
            scene.object.name if attribute == "object" else CATEGORY_NOUNS.get(category, category)
        )
        counted = scene.count > 1 and rng.random() >= 0.3
        words.append(_counted(name, scene.count) if counted else _with_article(name))
        claimed += [attribute, "count"] if counted else [attribute]
    else:
        words.append("an object" if scene.count == 1 else f"{COUNTS[scene.count - 1]} objects")
        claimed.append("count")
    if scene.position is not None and rng.random() < 0.4:
        words.append(scene.position)
        claimed.append("position")
    background = []
    if scene.visible_colour and rng.random() < 0.6:
        background.append(scene.visible_colour)
        claimed.append("colour")
    if scene.pattern != "gradient" and rng.random() < 0.5:
        background.append(scene.pattern)
        claimed.append("pattern")
    if background:
        words += ["on", _with_article(" ".join(background)), "background"]
    if scene.pattern == "gradient" and rng.random() < 0.5:
        words.append("with a gradient" if background else "on a background with a gradient")
        claimed.append("pattern")
    shown = scene_attributes(scene)
    return Caption(" ".join(words), {attribute: shown[attribute] for attribute in claimed})


def title(scene: Scene) -> str:
    """Say everything that the scene shows, as the title of a picture."""
    words = [_counted(scene.object.name, scene.count)]
    if scene.position:
        words.append(scene.position)
    background = [scene.visible_colour] if scene.visible_colour else []
    if scene.pattern != "gradient":
        background.append(scene.pattern)
    words.append(f"on {_with_article(' '.join([*background, 'background']))}")
    if scene.pattern == "gradient":
        words.append("with a gradient")
    said = " ".join(words)
    manner = {"plain": "", "night": ", at night", "blur": ", blurred"}
    return said[0].upper() + said[1:] + manner.get(scene.style, f", {scene.style}")


def attribute_captions(scene: Scene) -> list[Caption]:
    """One caption for each attribute of the scene, in the wording of the description pool."""
    the_object = Caption(object_text(scene.object.name), {"object": scene.object.name})
    captions = [
        the_object,
        the_object,  # twice: there are far more objects than anything else
        Caption(category_text(scene.object.category), {"category": scene.object.category}),
        Caption(PATTERN_TEXTS[scene.pattern], {"pattern": scene.pattern}),
        Caption(COUNT_TEXTS[scene.count], {"count": scene.count}),
        Caption(STYLE_TEXTS[scene.style], {"style": scene.style}),
    ]
    if scene.visible_colour:
        captions.append(Caption(colour_text(scene.visible_colour), {"colour": scene.colour}))
    if scene.position:
        captions.append(Caption(position_text(scene.position), {"position": scene.position}))
    return captions


def description_pool(sprites: Sprites) -> list[Description]:
    """Every text about the demo world with its property: the pool of the demo atlas.

    An object's property is its category; the pool is as balanced as the world is.
    """
    categories = dict.fromkeys(item.category for item in sprites.objects)
    pool = [Description(object_text(item.name), item.category) for item in sprites.objects]
    pool += [Description(category_text(category), category) for category in categories]
    pool += [Description(colour_text(colour), "background colour") for colour in COLOURS]
    pool += [Description(PATTERN_TEXTS[pattern], "background pattern") for pattern in PATTERNS]
    pool += [Description(text, "count") for text in COUNT_TEXTS.values()]
    pool += [Description(STYLE_TEXTS[style], "picture style") for style in STYLES]
    pool += [Description(position_text(position), "position") for position in POSITIONS]
    return pool


def _style_words(style: str, rng: np.random.Generator) -> str:
    if style == "plain":
        return "a clear picture of" if rng.random() < 0.5 else "a picture in daylight of"
    return f"{STYLE_TEXTS[style]} of"


def _counted(name: str, count: int) -> str:
    return _with_article(name) if count == 1 else f"{COUNTS[count - 1]} {_plural(name)}"


def _with_article(name: str) -> str:
    """Put "a" or "an" before a name, but not before plurals and names of stuff."""
    if name in _WITHOUT_ARTICLE:
        return name
    vowel = name[0] in "aeiouA" and not name.startswith(("uni", "one "))
    return f"{'an' if vowel or name.startswith('hour') else 'a'} {name}"


def _plural(name: str) -> str:
    """Put the noun of a name into the plural: "flag of Japan" becomes "flags of Japan"."""
    noun, *rest = _JOINT.split(name, maxsplit=1)
    first, space, last = noun.rpartition(" ")
    if noun in _WITHOUT_ARTICLE:
        plural = last
    elif last in _IRREGULAR:
        plural = _IRREGULAR[last]
    elif last.endswith("y") and last[-2] not in "aeiou":
        plural = f"{last[:-1]}ies"
    elif last.endswith(("s", "x", "ch", "sh")):
        plural = f"{last}es"
    else:
        plural = f"{last}s"
    return "".join((first, space, plural, *rest))


_JOINT = re.compile(r"( (?:of|with|in|on|at|behind|screaming) )")
_IRREGULAR = {
    "deer": "deer",
    "moose": "moose",
    "tomato": "tomatoes",
    "volcano": "volcanoes",
    "scarf": "scarves",
    "sheep": "sheep",
    "fish": "fish",
    "pufferfish": "pufferfish",
    "jellyfish": "jellyfish",
    "squid": "squid",
    "mouse": "mice",
    "wolf": "wolves",
    "leaf": "leaves",
    "snowman": "snowmen",
    "die": "dice",
    "aircraft": "aircraft",
    "watercraft": "watercraft",
}
_WITHOUT_ARTICLE = frozenset(
    "bacon,bread,broccoli,corn,jeans,socks,glasses,headphones,grapes,cherries,french fries,"
    "popcorn,sushi,fire,baguette bread,pencil and paper,bowling ball and pins,green salad,"
    "noodle soup".split(",")
)
