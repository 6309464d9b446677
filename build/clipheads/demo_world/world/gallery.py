"""The gallery of the demo atlas: balanced scenes, drawn as a folder of PNGs."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from clipheads.bundle.disk.atomic_files import ensure_writable
from clipheads.bundle.disk.hashing import sha256_file, sha256_json
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import (
    LIST,
    Made,
    adopt,
    damaged,
    made_in,
    publish,
    read_list,
    refuse_foreign,
    scratch_folder,
    settle,
)
from clipheads.bundle.disk.record_files import read_table
from clipheads.bundle.progress import Progress, Silent
from clipheads.demo_world.world.captions import scene_attributes, title
from clipheads.demo_world.world.scenes import Scene, draw_scene, sample_scene
from clipheads.demo_world.world.sprites import Sprites, default_sprites

IMAGES = 480
SIDE = 320
CANDIDATES = 24
"""Seeds that compete for each image of the gallery."""

VALUES = {
    "colour": 11, "pattern": 9, "backdrop": 6, "weather": 3, "count": 5, "position": 5, "size": 4,
    "style": 9,
}  # fmt: skip
"""The attributes that are balanced, with their numbers of values; a value that may be more common
than others counts as several."""

COMMON = {"pattern: plain": 4, "count: 1": 2, "style: plain": 4}
"""How many values of its kind a common value counts as."""

SOURCE = "Demo world, scene "
LISTING = "gallery.csv"
MAKER = "scenes"

CREDIT = "Composed from Fluent Emoji 3D by Microsoft"
LICENCE = "MIT"


def choose_scenes(count: int = IMAGES, sprites: Sprites | None = None) -> list[Scene]:
    """Choose scenes so that all categories, and all values of an attribute, are equally frequent.

    Categories take turns, and the objects within each, so that none is shown twice before all
    were shown once. Of a few candidates for each image the scene with the least frequent attributes
    so far is taken, and never a scene that looks like an earlier one.
    """
    sprites = sprites or default_sprites()
    turns = _turns(sprites)
    seen: Counter[str] = Counter()
    looks: set[tuple[object, ...]] = set()
    scenes = []
    for image in range(count):
        seeds = range(image * CANDIDATES, (image + 1) * CANDIDATES)
        object_index = next(turns)
        candidates = [sample_scene(seed, sprites, object_index) for seed in seeds]
        best = min(
            (scene for scene in candidates if _look(scene) not in looks),
            key=lambda scene: fmean(seen[fact] * weight for fact, weight in _facts(scene)),
        )
        seen.update(fact for fact, _ in _facts(best))
        looks.add(_look(best))
        scenes.append(best)
    return scenes


def _look(scene: Scene) -> tuple[object, ...]:
    """What makes two pictures of the same objects look alike."""
    return scene.objects, scene.colour, scene.backdrop, scene.style


def _turns(sprites: Sprites) -> Iterator[int]:
    """Endless indices of objects, cycling through the categories: one of each, then another."""
    order = np.random.default_rng(0).permutation(len(sprites.objects))
    members: dict[str, list[int]] = {}
    for index in order:
        members.setdefault(sprites.objects[index].category, []).append(int(index))
    wheels = [cycle(indices) for indices in members.values()]
    while True:
        for wheel in wheels:
            yield next(wheel)


def _facts(scene: Scene) -> list[tuple[str, float]]:
    """The facts of a scene that are balanced, with the weight of each."""
    attributes = scene_attributes(scene)
    facts = [(f"{name}: {attributes[name]}", name) for name in VALUES if attributes[name]]
    return [(fact, VALUES[name] / COMMON.get(fact, 1)) for fact, name in facts]


def write_demo_gallery(folder: Path, progress: Progress | None = None) -> bool:
    """Draw the demo gallery into `folder` with a `gallery.csv`, unless it exists already.

    Returns:
        Whether anything was drawn.

    Raises:
        AtlasError: if `folder` cannot be written, or holds other files under these names; none of
            them is touched.
    """
    progress = progress or Silent()
    scenes = choose_scenes()
    names = [f"scene-{scene.seed:05d}.png" for scene in scenes]
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file", "title", "credit", "licence", "source"))
    for scene, name in zip(scenes, names, strict=True):
        shown = " and ".join(item.name for item in scene.objects)
        rows.writerow((name, title(scene), CREDIT, LICENCE, f"{SOURCE}{scene.seed}, {shown}"))
    ensure_writable(folder)
    with locked(folder):
        _adopt_earlier(folder)
        settle(folder)
        key = sha256_json(table.getvalue(), SIDE)
        made = read_list(folder).made.get(MAKER)
        if made is not None and made.key == key and not damaged(folder, made):
            return False
        refuse_foreign(folder, [*names, LISTING], read_list(folder).owned)
        with scratch_folder(folder, MAKER) as scratch:
            with progress.stage("draw scenes", len(scenes), "scenes") as advance:
                for scene, name in zip(scenes, names, strict=True):
                    picture = Image.fromarray(draw_scene(scene, SIDE)[0])
                    picture.save(scratch / name, compress_level=1)
                    advance(1)
            (scratch / LISTING).write_text(table.getvalue(), encoding="utf-8")
            publish(folder, scratch, {MAKER: made_in(scratch, key)}, seals=[LISTING])
    return True


def _adopt_earlier(folder: Path) -> None:
    """Take over a gallery that was drawn before its files were listed as the project's own."""
    listing = folder / LISTING
    if not listing.is_file() or (folder / LIST).exists():
        return
    rows = [row.fields for row in read_table(listing, ("file",))]
    if all(
        row.get("source", "").startswith(SOURCE) and re.fullmatch(r"scene-\d+\.png", row["file"])
        for row in rows
    ):
        own = [LISTING, *(row["file"] for row in rows)]
        there = {name: sha256_file(folder / name) for name in own if (folder / name).is_file()}
        adopt(folder, {MAKER: Made(key=None, files=there)})
