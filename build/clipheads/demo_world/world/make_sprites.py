"""Makes `sprites.zip` and `descriptions.csv` of `data/demo/` from two npm packages.

    npm install --prefix FOLDER @lobehub/fluent-emoji-3d@1.1.0 emojibase-data@17.0.0
    python -m clipheads.demo_world.world.make_sprites FOLDER/node_modules data/demo

Which emoji become objects, under which name and in which category, is decided here; the
pictures are taken over byte by byte.
"""

import csv
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipheads.demo_world.world.captions import description_pool
from clipheads.demo_world.world.sprites import Sprites, picture_of

CATEGORY_OF_SUBGROUP = {
    "animal-mammal": "mammal",
    "animal-bird": "bird",
    "animal-amphibian": "reptile",
    "animal-reptile": "reptile",
    "animal-marine": "sea animal",
    "animal-bug": "insect",
    "plant-flower": "flower",
    "plant-other": "plant",
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "food-prepared": "dish",
    "food-asian": "dish",
    "food-sweet": "sweet",
    "drink": "drink",
    "dishware": "tableware",
    "place-geographic": "building",
    "place-building": "building",
    "place-religious": "building",
    "place-other": "building",
    "transport-ground": "land vehicle",
    "transport-water": "watercraft",
    "transport-air": "aircraft",
    "time": "clock",
    "sky-weather": "sky and weather",
    "event": "festivity",
    "award-medal": "festivity",
    "sport": "sport",
    "game": "game",
    "sound": "music",
    "music": "music",
    "musical-instrument": "music",
    "clothing": "clothing",
    "phone": "technology",
    "computer": "technology",
    "light-video": "technology",
    "science": "science and medicine",
    "medical": "science and medicine",
    "book-paper": "book and paper",
    "mail": "book and paper",
    "writing": "book and paper",
    "office": "office supply",
    "money": "money",
    "lock": "tool",
    "tool": "tool",
    "household": "household",
    "arts-crafts": "craft",
}
"""Emojibase subgroups that are taken whole, but for `LEFT_OUT` and doubles."""

PICKED = {
    "face": """grinning face; face with tears of joy; smiling face with halo;
        smiling face with heart-eyes; star-struck; zany face;
        thinking face; sleeping face; face with thermometer; nauseated face; cold face; hot face;
        exploding head; cowboy hat face; partying face; smiling face with sunglasses;
        loudly crying face; face screaming in fear; enraged face; skull; clown face; ogre; goblin;
        ghost; alien; robot""",
    "person": """baby; person; old woman; cook; farmer; astronaut; firefighter; police officer;
        guard; construction worker; ninja; princess; person wearing turban; scientist; judge;
        artist; singer; superhero; mage; fairy; genie; zombie; mermaid; Santa Claus""",
    "hand": """waving hand; raised hand; OK hand; crossed fingers; sign of the horns; thumbs up;
        thumbs down; raised fist; clapping hands; heart hands; handshake; folded hands;
        backhand index pointing up; backhand index pointing left""",
    "body part": """flexed biceps; leg; foot; ear; nose; brain; anatomical heart; lungs; tooth;
        bone; eyes; mouth""",
    "heart": """blue heart; broken heart; heart on fire; heart with arrow; heart with ribbon;
        green heart; revolving hearts""",
    "flag": """flag: Argentina; flag: Australia; flag: Belgium; flag: Brazil;
        flag: Canada; flag: China; flag: Denmark; flag: Egypt;
        flag: France; flag: Germany; flag: Greece; flag: India;
        flag: Israel; flag: Italy; flag: Japan; flag: Kenya;
        flag: Mexico; flag: Nepal; flag: Nigeria; flag: Norway; flag: Portugal;
        flag: South Africa; flag: South Korea; flag: Spain; flag: Sweden; flag: Switzerland;
        flag: Türkiye; flag: Ukraine; flag: United Kingdom; flag: United States; flag: Vietnam;
        flag: Chile; flag: Cuba; flag: Czechia; flag: European Union; flag: Finland; flag: Ghana;
        flag: Ireland; flag: Jamaica; flag: Lebanon; flag: Malaysia; flag: Pakistan; flag: Panama;
        flag: Poland; flag: Saudi Arabia; flag: Thailand; flag: Uganda; flag: Uruguay;
        chequered flag; pirate flag; rainbow flag""",
    "household": "luggage; headstone; moai",
    "building": "globe showing Europe-Africa; compass",
}
"""Objects of other subgroups, by their emojibase label."""

LEFT_OUT = {
    " ".join(label.split())
    for label in """orangutan; poodle; water buffalo; bird; black bird; service dog; guide
    dog; black cat; dog face; cat face; monkey face; tiger face; horse face; cow face; pig
    face; mouse face; rabbit face; dragon face; front-facing baby chick; pig nose; paw prints;
    ox; boar; ewe; two-hump camel; rat; badger; skunk; wing; bug; cricket; cockroach; fly;
    microbe; fish; oyster; blossom; wilted flower; leaf fluttering in wind; fallen leaf; empty
    nest; melon; tangerine; green apple; olive; beans; leafy green; peanuts; ginger root; cut
    of meat; flatbread; tamale; stuffed flatbread; shallow pan of food; pot of food; bowl with
    spoon; curry rice; oden; rice cracker; roasted sweet potato; teacup without handle; sake;
    clinking glasses; tumbler glass; pouring liquid; mate; ice; cup with straw; hut; house
    with garden; Japanese post office; love hotel; convenience store; department store; hotel;
    wedding; synagogue; kaaba; hindu temple; mount fuji; foggy; night with stars; sunrise over
    mountains; sunrise; sunset; cityscape at dusk; bridge at night; barber pole; railway car;
    train; metro; light rail; station; tram car; mountain railway; oncoming bus; trolleybus;
    minibus; oncoming police car; oncoming taxi; oncoming automobile; sport utility vehicle;
    articulated lorry; motorized wheelchair; bus stop; horizontal traffic light; construction;
    airplane departure; airplane arrival; suspension railway; mountain cableway; three
    o’clock; six o’clock; nine o’clock; watch; twelve-thirty; one o’clock; one-thirty; two
    o’clock; two-thirty; three-thirty; four o’clock; four-thirty; five o’clock; five-thirty;
    six-thirty; seven o’clock; seven-thirty; eight o’clock; eight-thirty; nine-thirty; ten
    o’clock; ten-thirty; eleven o’clock; eleven-thirty; new moon; waxing crescent moon; first
    quarter moon; waxing gibbous moon; waning gibbous moon; last quarter moon; waning crescent
    moon; new moon face; first quarter moon face; last quarter moon face; full moon face;
    glowing star; milky way; closed umbrella; drop of water; water wave; softball; cricket
    game; field hockey; goal net; running shirt; sled; mahjong red dragon; flower playing
    cards; musical score; musical notes; long drum; lab coat; kimono; briefs; clutch bag; flat
    shoe; ballet shoes; hair pick; billed cap; prayer beads; thong sandal; speaker low volume;
    speaker medium volume; muted speaker; bell with slash; mobile phone with arrow; pager; low
    battery; computer disk; dvd; video camera; magnifying glass tilted right; green book; blue
    book; page with curl; page facing up; bookmark tabs; ledger; notebook with decorative
    cover; yen banknote; euro banknote; pound banknote; receipt; chart increasing with yen;
    e-mail; incoming envelope; outbox tray; inbox tray; bar chart; closed mailbox with raised
    flag; closed mailbox with lowered flag; open file folder; tear-off calendar; card index;
    chart decreasing; round pushpin; unlocked; locked with pen; locked with key; white cane;
    link; drop of blood; elevator; soap; roll of paper; bubbles; lotion bottle; mouse trap;
    tanabata tree; moon viewing ceremony; Japanese dolls; red envelope; confetti ball; 2nd
    place medal; 3rd place medal; man’s shoe; woman’s clothes; woman’s sandal; woman’s hat;
    knot""".split(";")
}
"""Pictures that share their name with another, or that nobody would recognise in a few pixels."""

DOUBLE_BELOW = 0.12
"""Two pictures closer than this are doubles, see `_distance`; the first of them is taken."""

RENAMED = {
    "flag: United Kingdom": "flag of the United Kingdom",
    "flag: United States": "flag of the United States",
    "automobile": "car",
    "lady beetle": "ladybird",
    "blowfish": "pufferfish",
    "sauropod": "long-necked dinosaur",
    "T-Rex": "tyrannosaurus",
    "spiral shell": "sea shell",
    "ear of corn": "corn",
    "poultry leg": "chicken leg",
    "steaming bowl": "noodle soup",
    "soft ice cream": "ice cream cone",
    "ice cream": "ice cream sundae",
    "hot beverage": "cup of coffee",
    "bottle with popping cork": "champagne bottle",
    "wine glass": "glass of wine",
    "cocktail glass": "cocktail",
    "beer mug": "mug of beer",
    "locomotive": "steam train",
    "delivery truck": "lorry",
    "high voltage": "lightning bolt",
    "umbrella with rain drops": "umbrella with raindrops",
    "snowman without snow": "snowman",
    "sun with face": "sun",
    "sun behind cloud": "sun behind a cloud",
    "crescent moon": "moon",
    "hourglass done": "hourglass",
    "twelve o’clock": "clock at twelve",
    "pool 8 ball": "billiard ball",
    "bullseye": "dartboard",
    "game die": "die",
    "bowling": "bowling ball and pins",
    "flag in hole": "golf flag",
    "american football": "American football",
    "tennis": "tennis racket",
    "badminton": "badminton racket",
    "ping pong": "table tennis bat",
    "ice hockey": "ice hockey stick",
    "lacrosse": "lacrosse stick",
    "headphone": "headphones",
    "musical keyboard": "piano keyboard",
    "woman’s boot": "boot",
    "gem stone": "diamond",
    "carpentry saw": "saw",
    "star-struck": "starry-eyed face",
    "enraged face": "angry face",
    "loudly crying face": "crying face",
    "face with thermometer": "ill face with a thermometer",
    "envelope with arrow": "letter",
    "memo": "pencil and paper",
    "deciduous tree": "tree",
    "evergreen tree": "fir tree",
    "ram": "sheep",
    "eggplant": "aubergine",
    "magnifying glass tilted left": "magnifying glass",
    "speaker high volume": "loudspeaker box",
    "red paper lantern": "paper lantern",
    "backhand index pointing up": "hand pointing up",
    "backhand index pointing left": "hand pointing left",
    "person": "face of a person",
    "person wearing turban": "person in a turban",
    "guard": "royal guard",
    "anatomical heart": "human heart",
    "eyes": "pair of eyes",
    "lungs": "pair of lungs",
    "flexed biceps": "flexed arm",
    "globe showing Europe-Africa": "globe",
    "money bag": "bag of money",
    "dollar banknote": "dollar note",
    "chart increasing": "rising chart",
    "calendar": "calendar sheet",
    "adhesive bandage": "plaster",
    "performing arts": "theatre masks",
    "artist palette": "paint palette",
    "thread": "spool of thread",
    "yarn": "ball of yarn",
    "wrapped gift": "gift",
    "1st place medal": "gold medal",
    "cooking": "frying pan with an egg",
    "dna": "DNA",
    "x-ray": "X-ray picture",
    "manual wheelchair": "wheelchair",
    "vertical traffic light": "traffic light",
    "police car light": "police light",
    "moai": "stone head",
    "locked": "padlock",
    "meat on bone": "meat on the bone",
    "cooked rice": "bowl of rice",
    "spaghetti": "plate of spaghetti",
    "custard": "pudding",
    "takeout box": "takeaway box",
    "canned food": "tin can",
    "joker": "joker card",
    "wood": "pile of logs",
    "brick": "brick wall",
    "seat": "aeroplane seat",
    "cyclone": "whirlwind",
    "droplet": "drop of water",
    "flag: European Union": "flag of the European Union",
    "optical disk": "compact disc",
    "fishing pole": "fishing rod",
}
"""Plain English for labels that nobody would say of the picture."""

LICENCE = """Pictures: Fluent Emoji 3D, Copyright (c) Microsoft Corporation, MIT License,
https://github.com/microsoft/fluentui-emoji, as packaged by LobeHub in the npm package
@lobehub/fluent-emoji-3d 1.1.0 (MIT). Names and subgroups: emojibase-data 17.0.0,
Copyright (c) 2017-2019 Miles Johnson, MIT License, https://github.com/milesj/emojibase.

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software
and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING
BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def select_objects(emojibase: Path, pictures: Path) -> list[dict[str, str]]:
    """Choose the objects of the demo world.

    Args:
        emojibase: the folder of the npm package emojibase-data.
        pictures: the folder of WebP files that the picture package offers.

    Returns:
        One mapping of name, category and file per object, in emojibase's order.

    Raises:
        ValueError: a picked label is not in emojibase, or two objects share a name.
    """
    emoji = json.loads((emojibase / "en" / "data.json").read_text(encoding="utf-8"))
    subgroups = json.loads((emojibase / "meta" / "groups.json").read_text(encoding="utf-8"))
    files = {path.name for path in pictures.iterdir()}
    picked = {
        " ".join(label.split()): category
        for category, labels in PICKED.items()
        for label in labels.split(";")
    }
    objects = []
    taken = np.empty((0, 24 * 24 * 4), dtype=np.float32)
    for entry in emoji:
        label, file = entry["label"], f"{entry['hexcode'].lower()}.webp"
        if "subgroup" not in entry or file not in files or label in LEFT_OUT:
            continue
        subgroup = subgroups["subgroups"][str(entry["subgroup"])]
        category = picked.pop(label, None) or CATEGORY_OF_SUBGROUP.get(subgroup)
        if not category:
            continue
        thumbnail = picture_of((pictures / file).read_bytes(), 24).reshape(1, -1)
        if len(taken) and _distance(taken, thumbnail).min() < DOUBLE_BELOW:
            continue
        taken = np.concatenate((taken, thumbnail))
        name = RENAMED.get(label, label.replace("flag: ", "flag of ").replace("’", "'"))
        objects.append({"name": name, "category": category, "file": file})
    if picked:
        raise ValueError(f"not among the emoji with a picture: {', '.join(sorted(picked))}")
    names = [entry["name"] for entry in objects]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ValueError(f"several objects with one name: {', '.join(doubles)}")
    return objects


def _distance(taken: NDArray[np.float32], thumbnail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square difference of premultiplied RGBA thumbnails, [n, k] and [1, k] to [n]."""
    distance: NDArray[np.float32] = np.sqrt(np.square(taken - thumbnail).mean(axis=1))
    return distance


def make_sprites(node_modules: Path, out: Path) -> int:
    """Write the sprite file, always the same bytes, and return its number of objects."""
    folder = node_modules / "@lobehub" / "fluent-emoji-3d" / "assets"
    objects = select_objects(node_modules / "emojibase-data", folder)
    members = [("LICENSE.txt", LICENCE.encode())]
    members.append(("objects.json", json.dumps(objects, ensure_ascii=False, indent=0).encode()))
    members += [(entry["file"], (folder / entry["file"]).read_bytes()) for entry in objects]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return len(objects)


def write_descriptions(sprites: Sprites, out: Path) -> None:
    """Write the description pool of the demo world as `text,property`."""
    with out.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("text", "property"))
        rows.writerows((entry.text, entry.property) for entry in description_pool(sprites))


if __name__ == "__main__":
    packages, folder = Path(sys.argv[1]), Path(sys.argv[2])
    count = make_sprites(packages, folder / "sprites.zip")
    write_descriptions(Sprites(folder / "sprites.zip"), folder / "descriptions.csv")
    print(f"{count} objects, {(folder / 'sprites.zip').stat().st_size / 1e6:.1f} MB")  # noqa: T201
