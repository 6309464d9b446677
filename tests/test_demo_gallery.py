"""The demo gallery is balanced, its files say what they show, and it is drawn only once."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipheads.demo_world import gallery
from clipheads.demo_world.gallery import choose_scenes, write_demo_gallery
from clipheads.demo_world.scenes import draw_scene, sample_scene
from clipheads.demo_world.sprites import default_sprites
from clipheads.demo_world.training import FIRST_EVALUATION_SEED


def test_every_object_takes_its_turn_before_any_comes_twice() -> None:
    objects = len(default_sprites().objects)
    shown = Counter(scene.object_index for scene in choose_scenes(objects + 7))

    assert len(shown) == objects
    assert sorted(shown.values())[-8:] == [1, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("attribute", ["colour", "pattern"])
def test_attributes_are_balanced(attribute: str) -> None:
    seen = Counter(getattr(scene, attribute) for scene in choose_scenes())

    assert max(seen.values()) - min(seen.values()) <= 3


def test_no_scene_was_trained_on_or_evaluated_on() -> None:
    assert max(scene.seed for scene in choose_scenes()) < FIRST_EVALUATION_SEED


def test_a_file_shows_its_scene_and_a_second_call_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = choose_scenes(6)
    monkeypatch.setattr(gallery, "choose_scenes", lambda: scenes)

    assert write_demo_gallery(tmp_path) is True
    with (tmp_path / "gallery.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seed = int(Path(rows[4]["file"]).stem.split("-")[1])
    expected, _ = draw_scene(sample_scene(seed, object_index=scenes[4].object_index), gallery.SIDE)

    assert np.array_equal(np.asarray(Image.open(tmp_path / rows[4]["file"])), expected)
    assert rows[4]["licence"] == "MIT"
    assert write_demo_gallery(tmp_path) is False

    (tmp_path / rows[0]["file"]).unlink()
    assert write_demo_gallery(tmp_path) is True
