"""The measurement of the demo atlas from end to end, on few scenes."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from clipheads.bundle import GroundTruthRecord
from clipheads.data_files import data_file
from clipheads.demo_world import gallery, ground_truth, known_scenes, label_truth, map_truth
from clipheads.demo_world.captions import PROPERTY_OF_ATTRIBUTE
from clipheads.demo_world.gallery import write_demo_gallery
from clipheads.demo_world.ground_truth import write_ground_truth
from clipheads.demo_world.label_truth import OBJECTS, attribute_property, property_of
from clipheads.demo_world.truth_report import report
from clipheads.errors import AtlasError
from clipheads.neighbour_labels import name_heads_by_neighbours
from clipheads.pipeline import build_model

MODEL = f"local-dir:{data_file('demo', 'demo-clip')}"


@pytest.fixture(scope="module")
def few() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        scenes = gallery.choose_scenes(40)
        patch.setattr(gallery, "choose_scenes", lambda: scenes)
        patch.setattr(ground_truth, "SCENES", 150)
        patch.setattr(ground_truth, "MOST_PICKS", 5)
        patch.setattr(map_truth, "MAPPED_SCENES", 6)
        patch.setattr(map_truth, "CHOOSING_SCENES", 4)
        patch.setattr(label_truth, "GALLERY", 100)
        yield


@pytest.fixture(scope="module")
def bundle(few: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground-truth")
    write_demo_gallery(folder / "gallery")
    pool = data_file("demo", "descriptions.csv")
    built = build_model(
        MODEL,
        gallery=folder / "gallery",
        atlas=folder / "atlas",
        device="cpu",
        descriptions=pool,
        topics=data_file("demo", "topics.csv"),
        contrasts=data_file("demo", "contrasts.csv"),
        profile=0,
        name_heads=partial(name_heads_by_neighbours, pool=pool),
    )
    return built.folder


@pytest.fixture(scope="module")
def measured(bundle: Path) -> GroundTruthRecord:
    assert write_ground_truth(MODEL, bundle, device="cpu") == "built"
    return GroundTruthRecord.model_validate_json((bundle / "ground-truth.json").read_bytes())


def test_known_and_asked_scenes_are_disjoint_and_never_trained_on() -> None:
    known = range(
        known_scenes.FIRST_KNOWN_SEED, known_scenes.FIRST_KNOWN_SEED + known_scenes.SCENES
    )
    asked = range(
        known_scenes.FIRST_ASKED_SEED, known_scenes.FIRST_ASKED_SEED + known_scenes.SCENES
    )

    assert known.stop <= asked.start
    assert asked.stop < 1_000_000


def test_every_head_has_the_property_of_its_largest_gain(measured: GroundTruthRecord) -> None:
    assert len(measured.heads) == 36
    for head in measured.heads:
        best = max(head.separations, key=lambda one: one.gain)
        assert head.property == property_of(best.attribute)
        for one in head.separations:
            assert one.gain == pytest.approx(
                (one.accuracy - one.chance) / (1 - one.chance), abs=1e-3
            )
        if head.label is not None:
            assert head.agrees == (attribute_property(head.label) == head.property)


def test_the_demo_clip_separates_colours_and_styles_far_better_than_chance(
    measured: GroundTruthRecord,
) -> None:
    gains = {
        name: max(
            one.gain for head in measured.heads for one in head.separations if one.attribute == name
        )
        for name in ("colour", "style", "position")
    }

    assert gains["colour"] > 0.5
    assert gains["style"] > 0.5
    assert measured.separating_share > 0.5


def test_heat_maps_of_the_named_object_beat_a_blob_and_raw_attention(
    measured: GroundTruthRecord,
) -> None:
    precision = {row.map: row.mean_precision for row in measured.maps if row.kind == "topic"}

    assert precision["all heads together"] > precision["a blob in the centre"]
    assert precision["all heads together"] > next(
        value for name, value in precision.items() if name.startswith("attention")
    )


def test_curves_start_and_end_where_they_must(measured: GroundTruthRecord) -> None:
    faithful = measured.faithfulness
    heads = len(measured.scored_layers) * 6

    assert sorted(faithful.ablated) == sorted(head.id for head in measured.heads[-heads:])
    for described, untouched, ablated in zip(
        faithful.by_descriptions, faithful.untouched, faithful.by_ablation, strict=True
    ):
        assert len(described.values) == 5
        assert len(ablated.values) == heads + 1
        assert ablated.values[0] == untouched.values[0]
        assert ablated.values[-1] < untouched.values[0]


def test_every_measured_number_is_in_the_report(measured: GroundTruthRecord) -> None:
    lines = list(report(measured))

    # Rows: a line that has the row's names and then all of its numbers, in order.
    for row in (*measured.zero_shot, *measured.labels, *measured.neighbours, *measured.maps):
        fields = row.model_dump().values()
        names = [value for value in fields if isinstance(value, str)]
        numbers = [shown(value) for value in fields if not isinstance(value, str)]
        assert any(
            all(name in line for name in names)
            and numbers == re.findall(NUMBER, line)[-len(numbers) :]
            for line in lines
        ), row
    for number in (
        measured.known_scenes,
        measured.asked_scenes,
        measured.separating_share,
        measured.same_first_descriptions,
    ):
        assert any(shown(number) in re.findall(NUMBER, line) for line in lines), number


NUMBER = r"\d[\d.]*%?|–"


def shown(number: float | None) -> str:
    if number is None:
        return "–"
    return str(number) if isinstance(number, int) else f"{number:.1%}"


def test_a_second_measurement_of_the_same_bundle_does_nothing(
    bundle: Path, measured: GroundTruthRecord
) -> None:
    before = (bundle / "ground-truth.json").read_bytes()

    assert write_ground_truth(MODEL, bundle, device="cpu") == "unchanged"
    assert (bundle / "ground-truth.json").read_bytes() == before
    assert measured.asked_scenes == 150


def test_without_a_finished_bundle_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="head-atlas demo"):
        write_ground_truth(MODEL, tmp_path, device="cpu")


def test_labels_that_are_categories_speak_of_objects() -> None:
    assert attribute_property("bird") == OBJECTS
    assert attribute_property("background colour") == "background colour"
    assert attribute_property(None) is None
    assert {property_of(name) for name in ("object", "category")} == {OBJECTS}
    assert {property_of(name) for name in PROPERTY_OF_ATTRIBUTE} == set(
        PROPERTY_OF_ATTRIBUTE.values()
    )
