"""Makes `sprites.zip` and `descriptions.csv` of `data/demo/` from two npm packages.

    npm install --prefix FOLDER @lobehub/fluent-emoji-3d@1.1.0 emojibase-data@17.0.0
    python -m clipheads.demo_world.make_sprites FOLDER/node_modules data/demo

Which emoji become objects, under which name and in which category, is decided here; the
pictures are taken over byte by byte.
"""

import csv
import json
import sys
import zipfile
from pathlib import Path

from clipheads.demo_world.captions import description_pool
from clipheads.demo_world.sprites import Sprites

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
    "place-geographic": "building",
    "place-building": "building",
    "place-religious": "building",
    "place-other": "building",
    "transport-ground": "land vehicle",
    "transport-water": "watercraft",
    "transport-air": "aircraft",
    "time": "clock",
    "sky-weather": "sky and weather",
    "sport": "sport",
    "game": "game",
    "music": "music",
    "musical-instrument": "music",
    "clothing": "clothing",
    "tool": "tool",
    "household": "household",
}
"""Emojibase subgroups that are taken whole, but for `LEFT_OUT`."""

PICKED = {
    "face": """grinning face; face with tears of joy; smiling face with halo;
        smiling face with heart-eyes; star-struck; face with tongue;
        thinking face; sleeping face; face with medical mask; nauseated face; cold face;
        exploding head; cowboy hat face; partying face; smiling face with sunglasses;
        loudly crying face; face screaming in fear; enraged face; skull; clown face;
        ghost; alien; robot""",
    "technology": """mobile phone; laptop; floppy disk; television; camera; light bulb;
        microscope; telescope; telephone receiver""",
    "book and paper": """closed book; open book; scroll; memo; calendar; envelope with arrow""",
    "heart": """blue heart; broken heart; heart on fire; heart with arrow""",
    "flag": """flag: Argentina; flag: Australia; flag: Belgium; flag: Brazil;
        flag: Canada; flag: China; flag: Denmark; flag: Egypt;
        flag: France; flag: Germany; flag: Greece; flag: India;
        flag: Israel; flag: Italy; flag: Japan; flag: Kenya;
        flag: Mexico; flag: Nepal; flag: Nigeria; flag: Norway; flag: Portugal;
        flag: South Africa; flag: South Korea; flag: Spain; flag: Sweden; flag: Switzerland;
        flag: Türkiye; flag: Ukraine; flag: United Kingdom; flag: United States; flag: Vietnam""",
}
"""Objects of other subgroups, by their emojibase label."""

LEFT_OUT = {
    label.strip()
    for label in """dog face; cat face; orangutan; poodle; donkey; bison; water buffalo; goat;
    mammoth; hamster; beaver; otter; skunk; badger; raccoon; turkey; hatching chick; dodo; bird;
    lizard; dolphin; fish; shrimp; beetle; mosquito; cherry blossom; blossom; hyacinth; lotus;
    seedling; melon; mango; peach; blueberries; coconut; garlic; peanuts; cucumber; meat on bone;
    bagel; pancakes; burrito; egg; salt; shallow pan of food; pot of food; shaved ice; shortcake;
    chocolate bar; tropical drink; ice; cup with straw; hut; office building; hotel; school;
    convenience store; factory; circus tent; roller coaster; tram; ambulance; pickup truck;
    kick scooter; auto rickshaw; canoe; anchor; parachute; three o’clock; six o’clock;
    nine o’clock; watch; drop of water; droplet; water wave; volleyball; flying disc; skis; sled;
    curling stone; ping pong; nesting dolls; piñata; kite; slot machine; goggles; gloves; kimono;
    leather shoe; man’s shoe; lipstick; necktie; handbag; radio; trumpet; pager; fax machine;
    battery; computer disk; movie camera; flashlight; satellite antenna; books; clipboard;
    newspaper; package; notebook; bar chart; screwdriver; toolbox; bucket; bathtub; basket;
    toothbrush;
    monkey face; service dog; guide dog; black cat; tiger face; horse face;
    cow face; pig face; pig nose; mouse face; rabbit face; paw prints; ox; boar; ewe;
    two-hump camel; rat; front-facing baby chick; feather; wing; black bird; goose; dragon face;
    whale; seal; spiral shell; coral; oyster; bug; cricket; cockroach; fly; microbe; worm;
    wilted flower; white flower; herb; leaf fluttering in wind; empty nest; sheaf of rice;
    fallen leaf; tangerine; green apple; olive; potato; onion; beans; chestnut; ginger root;
    pea pod; leafy green; flatbread; cut of meat; tamale; stuffed flatbread; falafel; cooking;
    fondue; bowl with spoon; canned food; butter; rice cracker; rice ball; curry rice; oden;
    roasted sweet potato; fish cake with swirl; moon cake; dango; takeout box; cooked rice;
    spaghetti; custard; pie; teacup without handle; sake; clinking beer mugs; clinking glasses;
    tumbler glass; pouring liquid; mate; beverage box; brick; rock; wood; house with garden;
    Japanese post office; love hotel; department store; wedding; hindu temple; synagogue; kaaba;
    mount fuji; foggy; night with stars; sunrise over mountains; sunrise; sunset; bank;
    cityscape at dusk; bridge at night; carousel horse; playground slide; barber pole; post office;
    railway car; bullet train; train; light rail; station; monorail; mountain railway; metro;
    tram car; oncoming bus; trolleybus; oncoming police car; oncoming taxi; minibus;
    oncoming automobile; sport utility vehicle; articulated lorry; manual wheelchair;
    motorized wheelchair; bus stop; wheel; horizontal traffic light; construction;
    skateboard; roller skate; police car light; airplane departure; airplane arrival; seat;
    suspension railway; mountain cableway; aerial tramway; twelve-thirty; one o’clock; one-thirty;
    two o’clock; two-thirty; three-thirty; four o’clock; four-thirty; five o’clock; five-thirty;
    six-thirty; seven o’clock; seven-thirty; eight o’clock; eight-thirty; nine-thirty;
    ten o’clock; ten-thirty; eleven o’clock; eleven-thirty; hourglass not done; new moon;
    waxing crescent moon; first quarter moon; waxing gibbous moon; waning gibbous moon;
    last quarter moon; waning crescent moon; new moon face; first quarter moon face;
    last quarter moon face; full moon face; glowing star; shooting star; milky way; cyclone;
    closed umbrella; softball; tennis; cricket game; field hockey; lacrosse; badminton;
    martial arts uniform; goal net; diving mask; running shirt; rugby football; ice hockey;
    mahjong red dragon; flower playing cards; joker; magic wand; mirror ball; water pistol;
    musical score; musical notes; banjo; long drum; maracas; lab coat; safety vest; coat; sari;
    briefs; shorts; bikini; woman’s clothes; clutch bag; thong sandal; flat shoe; hiking boot;
    woman’s sandal; ballet shoes; hair pick; woman’s hat; billed cap; military helmet;
    prayer beads; folding hand fan; purse; one-piece swimsuit; white cane; link; hook; bomb;
    nut and bolt; boomerang; elevator; mirror; window; plunger; shower; mouse trap; razor;
    lotion bottle; safety pin; bubbles; sponge; soap; roll of paper; shopping cart""".replace(
        "\n", " "
    ).split(";")
}
"""Doubles of another object, or pictures that nobody would recognise in a few pixels."""

RENAMED = {
    "flag: United Kingdom": "flag of the United Kingdom",
    "flag: United States": "flag of the United States",
    "automobile": "car",
    "lady beetle": "ladybird",
    "spouting whale": "whale",
    "blowfish": "pufferfish",
    "sauropod": "long-necked dinosaur",
    "T-Rex": "tyrannosaurus",
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
    "umbrella with rain drops": "umbrella in the rain",
    "snowman without snow": "snowman",
    "sun with face": "sun",
    "sun behind cloud": "sun behind a cloud",
    "hourglass done": "hourglass",
    "twelve o’clock": "clock at twelve",
    "pool 8 ball": "billiard ball",
    "bullseye": "dartboard",
    "game die": "die",
    "bowling": "bowling ball and pins",
    "flag in hole": "golf flag",
    "american football": "American football",
    "headphone": "headphones",
    "musical keyboard": "piano keyboard",
    "woman’s boot": "boot",
    "gem stone": "diamond",
    "carpentry saw": "saw",
    "star-struck": "starry-eyed face",
    "enraged face": "angry face",
    "loudly crying face": "crying face",
    "envelope with arrow": "letter",
    "memo": "pencil and paper",
    "wood": "logs",
    "deciduous tree": "tree",
    "evergreen tree": "fir tree",
    "ram": "sheep",
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


def select_objects(emojibase: Path, pictures: set[str]) -> list[dict[str, str]]:
    """Choose the objects of the demo world.

    Args:
        emojibase: the folder of the npm package emojibase-data.
        pictures: file names that the picture package offers.

    Returns:
        One mapping of name, category and file per object, in emojibase's order.

    Raises:
        ValueError: a picked label is not in emojibase, or two objects share a name.
    """
    emoji = json.loads((emojibase / "en" / "data.json").read_text(encoding="utf-8"))
    subgroups = json.loads((emojibase / "meta" / "groups.json").read_text(encoding="utf-8"))
    picked = {
        " ".join(label.split()): category
        for category, labels in PICKED.items()
        for label in labels.split(";")
    }
    objects = []
    for entry in emoji:
        label, file = entry["label"], f"{entry['hexcode'].lower()}.webp"
        if "subgroup" not in entry or file not in pictures or label in LEFT_OUT:
            continue
        subgroup = subgroups["subgroups"][str(entry["subgroup"])]
        category = picked.pop(label, None) or CATEGORY_OF_SUBGROUP.get(subgroup)
        if category:
            name = RENAMED.get(label, label.replace("flag: ", "flag of "))
            objects.append({"name": name, "category": category, "file": file})
    if picked:
        raise ValueError(f"not among the emoji with a picture: {', '.join(sorted(picked))}")
    names = [entry["name"] for entry in objects]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise ValueError(f"several objects with one name: {', '.join(doubles)}")
    return objects


def make_sprites(node_modules: Path, out: Path) -> int:
    """Write the sprite file, always the same bytes, and return its number of objects."""
    folder = node_modules / "@lobehub" / "fluent-emoji-3d" / "assets"
    objects = select_objects(
        node_modules / "emojibase-data", {path.name for path in folder.iterdir()}
    )
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
