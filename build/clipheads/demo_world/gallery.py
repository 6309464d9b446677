"""The gallery of the demo atlas: balanced scenes, drawn as a folder of PNGs."""

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from clipheads.demo_world.captions import title
from clipheads.demo_world.scenes import Scene, draw_scene, sample_scene
from clipheads.demo_world.sprites import Sprites, default_sprites
from clipheads.progress import Progress, Silent

IMAGES = 360
SIDE = 320
CANDIDATES = 12
"""Seeds that compete for each place in the gallery."""

SHARE = {("style", "plain"): 5, ("count", "1"): 2, ("position", "None"): 5}
"""Facts that may be more common than others of their kind, and how many times."""

CREDIT = "Composed from Fluent Emoji 3D by Microsoft"
LICENCE = "MIT"


def choose_scenes(count: int = IMAGES, sprites: Sprites | None = None) -> list[Scene]:
    """Choose scenes that show every object as often as any other, and every attribute likewise.

    Objects take turns; among a few seeds for each the scene is taken whose attributes the
    gallery has seen least.
    """
    sprites = sprites or default_sprites()
    order = np.random.default_rng(0).permutation(len(sprites.objects))
    seen: Counter[tuple[str, str]] = Counter()
    scenes = []
    for place in range(count):
        seeds = range(place * CANDIDATES, (place + 1) * CANDIDATES)
        index = int(order[place % len(order)])
        candidates = [sample_scene(seed, sprites, index) for seed in seeds]
        best = min(
            candidates, key=lambda scene: sum(seen[f] / SHARE.get(f, 1) for f in _facts(scene))
        )
        seen.update(_facts(best))
        scenes.append(best)
    return scenes


def _facts(scene: Scene) -> list[tuple[str, str]]:
    return [
        ("colour", scene.colour),
        ("pattern", scene.pattern),
        ("count", str(scene.count)),
        ("position", str(scene.position)),
        ("style", scene.style),
    ]


def write_demo_gallery(folder: Path, progress: Progress | None = None) -> bool:
    """Draw the demo gallery into `folder` with a `gallery.csv`, unless it is there already.

    Returns:
        Whether anything was drawn.
    """
    progress = progress or Silent()
    scenes = choose_scenes()
    names = [f"scene-{scene.seed:05d}.png" for scene in scenes]
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("file", "title", "credit", "licence", "source"))
    for scene, name in zip(scenes, names, strict=True):
        source = f"Demo world, scene {scene.seed}, {scene.object.name}"
        rows.writerow((name, title(scene), CREDIT, LICENCE, source))
    listing = folder / "gallery.csv"
    if (
        listing.exists()
        and listing.read_text(encoding="utf-8") == table.getvalue()
        and all((folder / name).exists() for name in names)
    ):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("scene-*.png"):
        old.unlink()
    with progress.stage("draw scenes", len(scenes), "scenes") as advance:
        for scene, name in zip(scenes, names, strict=True):
            Image.fromarray(draw_scene(scene, SIDE)[0]).save(folder / name, compress_level=1)
            advance(1)
    # Written last: a folder without it is drawn again.
    listing.write_text(table.getvalue(), encoding="utf-8")
    return True
