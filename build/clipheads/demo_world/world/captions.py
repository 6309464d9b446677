"""Texts about scenes: captions for training, and prompts for zero-shot questions.

Captions, zero-shot prompts and the description pool use the same wording, so that every prompt was
seen in training. The wording is therefore that of the training, faulty grammar included ("three
skis"); titles are better ("three pairs of skis").
"""

from typing import NamedTuple

import numpy as np

from clipheads.demo_world.world.noun_phrases import (
    plural_as_trained,
    several,
    single,
    sized,
    with_article,
)
from clipheads.demo_world.world.scenes import COLOURS, COUNTS, PATTERNS, POSITIONS, SIZES, Scene
from clipheads.demo_world.world.sprites import Sprites
from clipheads.texts.pools import Description

STYLE_TEXTS = {
    "plain": "an ordinary picture",
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
COUNT_TEXTS = {"1": "a single object"} | {
    str(count): f"{COUNTS[count - 1]} objects" for count in (2, 3, 4)
}
BACKDROP_WORDS = {
    "sky": "against the sky",
    "sea": "by the sea",
    "grass": "on the grass",
    "snow": "in a snowy landscape",
    "sunset": "at sunset",
    "starry night": "under the stars",
}
WEATHER_WORDS = {"rain": "in the rain", "snowfall": "in falling snow", "fog": "in the fog"}
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
    "festivity": "thing for a festivity",
    "science and medicine": "thing of science or medicine",
    "craft": "thing for crafts",
    "money": "thing of money",
    "tableware": "piece of tableware",
}
"""Categories whose own name would not be English after "a picture of a"."""


Fact = tuple[str, str]
"""An attribute by name, with its value: ("colour", "red")."""


class Caption(NamedTuple):
    """A text and what it claims: it is true of every scene of which all these are facts."""

    text: str
    claims: frozenset[Fact]


def scene_attributes(scene: Scene) -> dict[str, str | None]:
    """The ground truth of a scene: the value of each attribute, None where it has no single one."""
    names = {item.name for item in scene.objects}
    categories = {item.category for item in scene.objects}
    return {
        "object": names.pop() if len(names) == 1 else None,
        "category": categories.pop() if len(categories) == 1 else None,
        "colour": scene.visible_colour,
        "pattern": scene.pattern,
        "backdrop": scene.backdrop,
        "weather": scene.weather,
        "count": str(scene.count),
        "position": scene.position,
        "size": scene.size,
        "style": scene.style,
    }


def scene_facts(scene: Scene) -> frozenset[Fact]:
    """Everything that a caption can claim about a scene; of two objects, both."""
    facts = {(name, value) for name, value in scene_attributes(scene).items() if value}
    for item in scene.objects:
        facts |= {("object", item.name), ("category", item.category)}
    return frozenset(facts)


def attribute_texts(sprites: Sprites) -> dict[str, dict[str, str]]:
    """For each attribute, the text of each of its values: the classes of a zero-shot question."""
    categories = dict.fromkeys(item.category for item in sprites.objects)
    return {
        "object": {item.name: object_text(item.name) for item in sprites.objects},
        "category": {category: category_text(category) for category in categories},
        "colour": {colour: colour_text(colour) for colour in COLOURS},
        "pattern": PATTERN_TEXTS,
        "backdrop": {name: f"a scene {words}" for name, words in BACKDROP_WORDS.items()},
        "weather": {name: f"a scene {words}" for name, words in WEATHER_WORDS.items()},
        "count": COUNT_TEXTS,
        "position": {position: position_text(position) for position in POSITIONS},
        "size": {size: f"a {size} object" for size in SIZES},
        "style": STYLE_TEXTS,
    }


def object_text(name: str) -> str:
    """The text that names an object, such as "a picture of an owl"."""
    return f"a picture of {with_article(name)}"


def category_text(category: str) -> str:
    """The text that names a category, such as "a picture of a bird"."""
    return f"a picture of {with_article(CATEGORY_NOUNS.get(category, category))}"


def colour_text(colour: str) -> str:
    """The text that names the background's colour."""
    return f"{with_article(colour)} background"


def position_text(position: str) -> str:
    """The text that says where the object stands."""
    return f"an object {position}"


def caption(scene: Scene, rng: np.random.Generator, texts: dict[str, dict[str, str]]) -> Caption:
    """Make a caption of a random subset of what the scene shows.

    Any part may be missing, so that no part of the embedding can rely on another. A caption of one
    attribute alone is a text of the description pool.

    Args:
        scene: what is described.
        rng: chooses the subset.
        texts: of `attribute_texts`.
    """
    facts = scene_facts(scene)
    if rng.random() < 0.3:
        fact = sorted(facts)[int(rng.integers(len(facts)))]
        return Caption(texts[fact[0]][fact[1]], frozenset((fact,)))
    claims: set[Fact] = set()
    words = ["a picture of"]
    if rng.random() < 0.5:
        words = [f"{STYLE_TEXTS[scene.style]} of"]
        claims.add(("style", scene.style))
    words.append(_things(scene, rng, claims))
    if scene.position and rng.random() < 0.4:
        words.append(scene.position)
        claims.add(("position", scene.position))
    if scene.backdrop and rng.random() < 0.7:
        words.append(BACKDROP_WORDS[scene.backdrop])
        claims.add(("backdrop", scene.backdrop))
    if scene.weather and rng.random() < 0.7:
        words.append(WEATHER_WORDS[scene.weather])
        claims.add(("weather", scene.weather))
    wall = []
    if scene.visible_colour and rng.random() < 0.6:
        wall.append(scene.visible_colour)
        claims.add(("colour", scene.visible_colour))
    gradient = scene.pattern == "gradient"
    if scene.pattern and rng.random() < 0.5:
        claims.add(("pattern", scene.pattern))
        if not gradient:
            wall.append(scene.pattern)
    if wall:
        words += ["on", with_article(" ".join(wall)), "background"]
    if ("pattern", "gradient") in claims:
        words.append("with a gradient" if wall else "on a background with a gradient")
    return Caption(" ".join(words), frozenset(claims))


def _things(scene: Scene, rng: np.random.Generator, claims: set[Fact]) -> str:
    """Name the objects of a scene, a single object of two, their category or their number."""
    if rng.random() < 0.1:
        claims.add(("count", str(scene.count)))
        return COUNT_TEXTS[str(scene.count)]
    if len(scene.objects) == 2 and rng.random() < 0.6:
        claims |= {("object", item.name) for item in scene.objects}
        claims.add(("count", "2"))
        return " and ".join(with_article(item.name) for item in scene.objects)
    item = scene.objects[int(rng.integers(len(scene.objects)))]
    if rng.random() < 0.85:
        claims.add(("object", item.name))
        name = item.name
    else:
        claims.add(("category", item.category))
        name = CATEGORY_NOUNS.get(item.category, item.category)
    if scene.size and rng.random() < 0.6:
        claims.add(("size", scene.size))
        return f"a {scene.size} {name}"
    if len(scene.objects) == 1 and scene.count > 1 and rng.random() < 0.7:
        claims.add(("count", str(scene.count)))
        return f"{COUNTS[scene.count - 1]} {plural_as_trained(name)}"
    return with_article(name)


def title(scene: Scene) -> str:
    """Describe everything that the scene shows, as the title of a picture.

    No model was trained on titles, so that their grammar need not be that of captions.
    """
    if len(scene.objects) == 2:
        words = [" and ".join(single(item.name) for item in scene.objects)]
    elif scene.size:
        words = [sized(scene.objects[0].name, scene.size)]
    elif scene.count == 1:
        words = [single(scene.objects[0].name)]
    else:
        words = [several(scene.objects[0].name, COUNTS[scene.count - 1])]
    if scene.position:
        words.append(scene.position)
    if scene.backdrop:
        words.append(BACKDROP_WORDS[scene.backdrop])
    else:
        wall = [scene.visible_colour] if scene.visible_colour else []
        if scene.pattern == "plain":
            wall.insert(0, "plain")
        elif scene.pattern and scene.pattern != "gradient":
            wall.append(scene.pattern)
        words.append(f"on {with_article(' '.join([*wall, 'background']))}")
    if scene.pattern == "gradient":
        words.append("with a gradient")
    if scene.weather:
        words.append(WEATHER_WORDS[scene.weather])
    said = " ".join(words)
    manner = {"plain": "", "night": ", at night", "blur": ", blurred"}
    return said[0].upper() + said[1:] + manner.get(scene.style, f", {scene.style}")


PROPERTY_OF_ATTRIBUTE = {
    "colour": "background colour",
    "pattern": "background pattern",
    "backdrop": "backdrop",
    "weather": "weather",
    "count": "count",
    "position": "position",
    "size": "size",
    "style": "picture style",
}
"""The property, in the demo pool's taxonomy, that corresponds to an attribute of scenes; objects
and categories have no single one."""


def description_pool(sprites: Sprites) -> list[Description]:
    """All texts about the demo world with their properties: the pool of the demo atlas.

    An object's property is its category; the pool is as balanced as the world is.
    """
    texts = attribute_texts(sprites)
    pool = [Description(object_text(item.name), item.category) for item in sprites.objects]
    pool += [Description(text, category) for category, text in texts["category"].items()]
    for attribute, name in PROPERTY_OF_ATTRIBUTE.items():
        pool += [Description(text, name) for text in texts[attribute].values()]
    return pool
