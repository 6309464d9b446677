"""The measurement of the demo atlas from end to end, on few scenes."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.ground_truth import GroundTruthRecord, LabelTruth
from clipheads.demo_world.clip.batches import FIRST_TRAINING_SEED
from clipheads.demo_world.clip.evaluation import FIRST_EVALUATION_SEED, SCENES
from clipheads.demo_world.truth import faithfulness_truth, ground_truth, map_truth
from clipheads.demo_world.truth.causes import PROPERTY_OF_GROUP, SEEDS_OF_CHANGES
from clipheads.demo_world.truth.ground_truth import write_ground_truth
from clipheads.demo_world.truth.interventions import GROUPS
from clipheads.demo_world.truth.label_truth import is_right
from clipheads.demo_world.world import gallery
from clipheads.demo_world.world.gallery import write_demo_gallery
from clipheads.stages.build import build_model
from clipheads.texts.taxonomy import read_taxonomy
from headatlas.commands.console import PlainConsole
from headatlas.commands.ground_truth_report import ground_truth_report

MODEL = f"local-dir:{data_file('demo', 'demo-clip')}"
PARENTS = read_taxonomy(data_file("demo", "descriptions.csv"))


@pytest.fixture(scope="module")
def few() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        scenes = gallery.choose_scenes(60)
        patch.setattr(gallery, "choose_scenes", lambda: scenes)
        patch.setattr(ground_truth, "PAIRS", 40)
        patch.setattr(ground_truth, "CHANGES", 15)
        patch.setattr(ground_truth, "REFERENCE_SCENES", 60)
        patch.setattr(faithfulness_truth, "MOST_PICKS", 5)
        patch.setattr(map_truth, "MAPPED_SCENES", 6)
        patch.setattr(map_truth, "CHOOSING_SCENES", 4)
        yield


@pytest.fixture(scope="module")
def bundle(few: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ground-truth")
    write_demo_gallery(folder / "gallery")
    built = build_model(
        MODEL,
        gallery=folder / "gallery",
        atlas=folder / "atlas",
        device="cpu",
        descriptions=data_file("demo", "descriptions.csv"),
        topics=data_file("demo", "topics.csv"),
        contrasts=data_file("demo", "contrasts.csv"),
        words=data_file("demo", "words.csv"),
        profile=32,
    )
    return built.folder


@pytest.fixture(scope="module")
def measured(bundle: Path) -> GroundTruthRecord:
    assert write_ground_truth(MODEL, bundle, device="cpu") == "built"
    return GroundTruthRecord.model_validate_json((bundle / "ground-truth.json").read_bytes())


def test_no_scene_serves_two_purposes() -> None:
    """What chooses is not what reports, and neither was trained on, evaluated on or shown."""
    spans = [
        range(gallery.IMAGES * gallery.CANDIDATES),
        range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + SCENES),
        range(
            ground_truth.FIRST_REFERENCE_SEED,
            ground_truth.FIRST_REFERENCE_SEED + ground_truth.REFERENCE_SCENES,
        ),
        range(ground_truth.FIRST_TEST_SEED, ground_truth.FIRST_TEST_SEED + SEEDS_OF_CHANGES),
        range(
            ground_truth.FIRST_TEST_SEED + SEEDS_OF_CHANGES,
            map_truth.FIRST_CHOOSING_SEED,
        ),
        range(map_truth.FIRST_CHOOSING_SEED, map_truth.FIRST_CHOOSING_SEED + map_truth.CANDIDATES),
        range(map_truth.FIRST_MAPPED_SEED, map_truth.FIRST_MAPPED_SEED + map_truth.CANDIDATES),
        range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 1),
    ]
    for earlier, later in pairwise(spans):
        assert earlier.stop <= later.start


def test_effects_are_sorted_and_lie_in_their_intervals(measured: GroundTruthRecord) -> None:
    assert len(measured.heads) == 36
    for head in measured.heads:
        assert {effect.name for effect in head.groups} == set(GROUPS)
        assert [effect.name for effect in head.attributes] == sorted(
            GROUPS[head.groups[0].name],
            key=lambda name: [effect.name for effect in head.attributes].index(name),
        )
        for effects in (head.groups, head.attributes):
            totals = [effect.total for effect in effects]
            assert totals == sorted(totals, reverse=True)
            assert all(effect.low <= effect.total <= effect.high for effect in effects)
        for effect in head.groups:
            assert effect.first_order is not None
            assert effect.first_order <= effect.total + 0.2  # equal at most, but for few pairs


def test_the_true_property_leads_and_a_label_is_right_if_it_is_that_or_a_wider_one(
    measured: GroundTruthRecord,
) -> None:
    assert any(head.property is None for head in measured.heads)
    for head in measured.heads:
        first, second = head.groups[:2]
        if head.property is None:
            assert head.right is None
            continue
        assert first.total >= measured.lead * second.total
        assert is_right(PROPERTY_OF_GROUP[first.name], head.property, PARENTS)
        if head.label is not None:
            assert head.right == is_right(head.label, head.property, PARENTS)


def test_the_published_labels_are_those_that_the_pages_bear(
    bundle: Path, measured: GroundTruthRecord
) -> None:
    model = json.loads((bundle / "model.json").read_bytes())
    labels = {head["id"]: head["label"] for head in model["heads"]}
    judged = [
        head
        for head in measured.heads
        if head.property and int(head.id[1]) in measured.scored_layers
    ]
    published = measured.labels[0]

    assert {head.id: head.label for head in measured.heads} == labels
    assert published.method == "published"
    assert published.heads == len(judged)
    assert published.labelled == sum(head.label is not None for head in judged)
    assert published.right == sum(head.right is True for head in judged)
    # The bundle has the default labeller's labels, and so the method gives the same again.
    again = next(row for row in measured.labels if row.method == "explained")
    assert again.model_copy(update={"method": "published", "same_label": None}) == published


def test_descriptions_count_how_many_of_their_images_show_them(
    bundle: Path, measured: GroundTruthRecord
) -> None:
    for head in measured.heads:
        record = json.loads((bundle / "heads" / f"{head.id}.json").read_bytes())
        assert len(head.hits) == len(record["descriptions"])
        for hits, description in zip(head.hits, record["descriptions"], strict=True):
            assert hits is not None
            assert 0 <= hits <= len(description["neighbours"])


def test_answers_count_the_images_whose_captions_say_them(
    bundle: Path, measured: GroundTruthRecord
) -> None:
    manifest = json.loads((bundle.parent / "gallery" / "manifest.json").read_bytes())
    captions = {image["id"]: image["title"] for image in manifest["images"]}
    checked = 0
    for head in measured.heads:
        record = json.loads((bundle / "heads" / f"{head.id}.json").read_bytes())
        answers = record["answers"]["answers"] if record["answers"] else []
        assert len(head.answers) == len(answers)
        for truth, answer in zip(head.answers, answers, strict=True):
            assert truth is not None
            colour = re.fullmatch(r"an? (red|blue|green|pink) background", answer["text"])
            if colour:
                said = re.compile(rf"\b{colour[1]}\b.* background")
                nearest = [captions[n["image"]] for n in answer["neighbours"]]
                assert truth.shows == [bool(said.search(caption)) for caption in nearest]
                assert truth.images == sum(map(bool, map(said.search, captions.values())))
                checked += 1
    assert checked


def test_the_profile_is_held_against_the_scene(measured: GroundTruthRecord) -> None:
    assert measured.correlations
    assert {row.factor for row in measured.correlations} == set(PROPERTY_OF_GROUP.values())
    properties = {
        PROPERTY_OF_GROUP[head.groups[0].name] for head in measured.heads if head.property
    }
    assert {row.property for row in measured.agreement} == properties


def test_pixels_find_layout_and_not_colour_as_the_methods_page_says(
    measured: GroundTruthRecord,
) -> None:
    def nearest_factor(transform: str) -> str:
        best = max(measured.correlations, key=lambda row: row.correlations[transform])
        assert best.correlations[transform] > best.chance
        return best.factor

    assert nearest_factor("shift") == nearest_factor("shuffle") == "layout"
    # Not the background, whose colour these change as well.
    assert nearest_factor("grey") == nearest_factor("hue") == "object"


def test_ground_truth_of_other_weights_is_refused(
    bundle: Path, tmp_path: Path, measured: GroundTruthRecord
) -> None:
    other = tmp_path / "demo-clip"
    other.mkdir()
    for file in data_file("demo", "demo-clip").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    weights = other / "open_clip_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    with pytest.raises(AtlasError, match="built with other weights"):
        write_ground_truth(f"local-dir:{other}", bundle, device="cpu")


def test_heat_maps_of_the_named_object_beat_the_centre_prior_and_raw_attention(
    measured: GroundTruthRecord,
) -> None:
    precision = {row.map: row.mean_precision for row in measured.maps if row.kind == "topic"}

    assert precision["all heads together"] > precision["centre-prior baseline"]
    assert precision["all heads together"] > next(
        value for name, value in precision.items() if name.startswith("raw attention")
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
    console = PlainConsole()
    with console.capture() as captured:
        console.show(ground_truth_report(measured))
    lines = captured.get().splitlines()

    # Rows: a line that has the row's names and then all of its numbers, in order.
    for row in (*measured.zero_shot, *measured.labels, *measured.neighbours, *measured.maps):
        fields = row.model_dump().values()
        names = [value for value in fields if isinstance(value, str)]
        numbers = [
            f"{value:.1f}"
            if name == "chance" and isinstance(row, LabelTruth) and value
            else shown(value)
            for name, value in row.model_dump().items()
            if not isinstance(value, str)
        ]
        assert any(
            all(name in line for name in names)
            and numbers == re.findall(NUMBER, line)[-len(numbers) :]
            for line in lines
        ), row
    for head in measured.heads:
        (line,) = (line for line in lines if line.startswith(f"{head.id} "))
        cells = re.split(r"\s{2,}", line)
        for effect in (*head.groups, *head.attributes):
            assert f"{effect.name} {effect.total:.2f}" in line
        assert cells[-5:-2] == [
            head.property or "mixed",
            head.label or "–",
            {True: "right", False: "wrong", None: "–"}[head.right],
        ]
        assert cells[-2:] == [f"{head.groups[0].first_order:.2f}", f"{head.variance_share:.1%}"]
    for number in (
        measured.pairs,
        measured.passed_over,
        measured.changes,
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
    assert measured.pairs == 40


def test_without_a_finished_bundle_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="head-atlas demo"):
        write_ground_truth(MODEL, tmp_path, device="cpu")
