"""The demo gallery is balanced, its files say what they show, and it is drawn only once."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipheads.bundle.errors import AtlasError
from clipheads.demo_world.clip.evaluation import FIRST_EVALUATION_SEED
from clipheads.demo_world.world import gallery
from clipheads.demo_world.world.gallery import choose_scenes, write_demo_gallery
from clipheads.demo_world.world.scenes import Scene, draw_scene, sample_scene
from clipheads.demo_world.world.sprites import default_sprites


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return choose_scenes()


def test_every_category_is_shown_as_often_as_any_other(scenes: list[Scene]) -> None:
    shown = Counter(scene.objects[0].category for scene in scenes)

    assert len(scenes) == 480
    assert max(shown.values()) - min(shown.values()) <= 1


def test_no_object_of_a_category_comes_twice_before_all_came_once(scenes: list[Scene]) -> None:
    sizes = Counter(item.category for item in default_sprites().objects)
    shown = Counter(scene.objects[0] for scene in scenes)

    for item, times in shown.items():
        of_its_kind = sum(shown[other] for other in shown if other.category == item.category)
        assert times <= -(-of_its_kind // sizes[item.category])


@pytest.mark.parametrize(("attribute", "values"), [("colour", 11), ("backdrop", 6), ("weather", 3)])
def test_attributes_are_balanced(scenes: list[Scene], attribute: str, values: int) -> None:
    seen = Counter(getattr(scene, attribute) for scene in scenes)
    del seen[None]

    assert len(seen) == values
    assert max(seen.values()) <= 1.5 * min(seen.values())


def test_no_two_scenes_are_near_duplicates(scenes: list[Scene]) -> None:
    facts = Counter((s.objects, s.colour, s.backdrop, s.style) for s in scenes)

    assert max(facts.values()) == 1


def test_no_scene_was_trained_on_or_evaluated_on(scenes: list[Scene]) -> None:
    assert max(scene.seed for scene in scenes) < FIRST_EVALUATION_SEED


def test_a_file_shows_its_scene_and_a_second_call_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = choose_scenes(6)
    monkeypatch.setattr(gallery, "choose_scenes", lambda: scenes)

    assert write_demo_gallery(tmp_path) is True
    with (tmp_path / "gallery.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seed = int(Path(rows[4]["file"]).stem.split("-")[1])
    index = default_sprites().objects.index(scenes[4].objects[0])
    expected, _ = draw_scene(sample_scene(seed, object_index=index), gallery.SIDE)

    assert np.array_equal(np.asarray(Image.open(tmp_path / rows[4]["file"])), expected)
    assert rows[4]["licence"] == "MIT"
    assert write_demo_gallery(tmp_path) is False

    (tmp_path / rows[0]["file"]).unlink()
    assert write_demo_gallery(tmp_path) is True


@pytest.fixture
def six_scenes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    scenes = choose_scenes(6)
    monkeypatch.setattr(gallery, "choose_scenes", lambda: scenes)
    return [f"scene-{scene.seed:05d}.png" for scene in scenes]


def test_files_of_somebody_else_are_neither_overwritten_nor_removed(
    tmp_path: Path, six_scenes: list[str]
) -> None:
    foreign = {
        "gallery.csv": "file,title\nscene-1.png,Mine\n",
        "scene-1.png": "mine",
        six_scenes[2]: "mine too",
    }
    for name, text in foreign.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(AtlasError, match="was not made by head-atlas"):
        write_demo_gallery(tmp_path)

    assert {name: (tmp_path / name).read_text() for name in foreign} == foreign
    (tmp_path / "gallery.csv").unlink()
    (tmp_path / six_scenes[2]).unlink()
    write_demo_gallery(tmp_path)
    assert (tmp_path / "scene-1.png").read_text() == "mine"


def test_a_gallery_of_an_earlier_version_is_taken_over(
    tmp_path: Path, six_scenes: list[str]
) -> None:
    (tmp_path / "scene-99999.png").write_bytes(b"of the earlier version")
    row = 'scene-99999.png,An owl,,MIT,"Demo world, scene 99999, owl"'
    (tmp_path / "gallery.csv").write_text(f"file,title,credit,licence,source\n{row}\n")

    assert write_demo_gallery(tmp_path) is True

    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(six_scenes)
    assert write_demo_gallery(tmp_path) is False


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path, six_scenes: list[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AtlasError, match="cannot write there"):
        write_demo_gallery(tmp_path / "file")
