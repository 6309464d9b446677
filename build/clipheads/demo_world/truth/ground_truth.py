"""The ground truth of a demo CLIP: heads, labels, neighbours and heat maps of its bundle, measured.

Each kind of truth has a module of its own; here they are put together, on scenes that no earlier
step has seen. What moves a head is measured by intervention on *test scenes*, by which nothing was
chosen. The labels judged by it are those of the bundle, which come from its gallery. What has to be
chosen beforehand, the order of the heads by importance and the heads that draw the best maps, is
chosen on *reference scenes* and scenes of its own. Only the stability of labels and descriptions is
about these.
"""

from pathlib import Path

from clipheads.bundle.disk.hashing import sha256_file, sha256_json
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import settle
from clipheads.bundle.disk.record_files import read_record, write_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.ground_truth import GroundTruthRecord
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.progress import Progress, Silent
from clipheads.demo_world.truth.causes import LEAD, measure_causes, scenes_needed, true_properties
from clipheads.demo_world.truth.faithfulness_truth import (
    attribute_questions,
    faithfulness,
    from_least_important,
    head_outputs,
    zero_shot,
)
from clipheads.demo_world.truth.finished_bundle import read_bundle
from clipheads.demo_world.truth.head_truth import head_truths
from clipheads.demo_world.truth.label_truth import label_truths
from clipheads.demo_world.truth.map_truth import CHOOSING_SCENES, MAPPED_SCENES, map_truths
from clipheads.demo_world.truth.neighbour_truth import neighbour_truths
from clipheads.demo_world.truth.observed_scenes import observe_scenes
from clipheads.demo_world.truth.profile_truth import profile_truths
from clipheads.demo_world.world.scenes import sample_scene
from clipheads.maths.decomposition import head_basis
from clipheads.model.clip_model import ClipModel
from clipheads.model.load import load_model
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.engine import Outcome, run_stage, values_of

VERSION = 5
"""Raised when the same model and scenes would give other numbers."""

FIRST_REFERENCE_SEED = 600_000
FIRST_TEST_SEED = 700_000
"""None of the scenes of these seeds is trained on or shown in a gallery. By those of the reference
seeds the default labeller and its thresholds were chosen, too."""

PAIRS = 400
CHANGES = 150
REFERENCE_SCENES = 480

SETTINGS = (
    "demo_world.truth.causes.LEAD",
    "demo_world.truth.causes.SEEDS_OF_CHANGES",
    "demo_world.truth.faithfulness_truth.MOST_PICKS",
    "demo_world.truth.ground_truth.CHANGES",
    "demo_world.truth.ground_truth.FIRST_REFERENCE_SEED",
    "demo_world.truth.ground_truth.FIRST_TEST_SEED",
    "demo_world.truth.ground_truth.PAIRS",
    "demo_world.truth.ground_truth.REFERENCE_SCENES",
    "demo_world.truth.label_truth.COMPARED_PICKS",
    "demo_world.truth.labelling_methods.LEAST_COUNT",
    "demo_world.truth.labelling_methods.TOP_IMAGES",
    "demo_world.truth.map_truth.BEST_HEADS",
    "demo_world.truth.map_truth.CANDIDATES",
    "demo_world.truth.map_truth.CHOOSING_SCENES",
    "demo_world.truth.map_truth.FIRST_CHOOSING_SEED",
    "demo_world.truth.map_truth.FIRST_MAPPED_SEED",
    "demo_world.truth.map_truth.MAPPED_SCENES",
    "maths.sensitivity.PERCENTILES",
    "maths.sensitivity.RESAMPLES",
    "truth.faithfulness.TEMPERATURE",
    "truth.profile_agreement.DEVIATIONS",
)
"""Every number that the ground truth depends on, beside those of the bundle."""
"""As many as the demo gallery has images, for the labels over another gallery."""


def write_ground_truth(
    name: str, bundle: Path, *, device: str = "auto", progress: Progress | None = None
) -> Outcome:
    """Measure a model of the demo world and write `ground-truth.json` into its bundle.

    Nothing is done if bundle and method are those of the last time.

    Args:
        name: the model as `load_model` takes it.
        bundle: folder of its finished bundle over the demo gallery.
        device: `auto`, or a device of torch.
        progress: notified of the scenes.

    Raises:
        AtlasError: if the bundle is not finished, holds fewer than all layers, or belongs to other
            weights or another gallery.
    """
    file = bundle / "model.json"
    if not file.exists():
        raise AtlasError(f"{bundle}: no finished bundle there; run `head-atlas demo` first")
    record = read_record(file, ModelRecord)
    if len(record.layers) < record.architecture.layers:
        raise AtlasError(f"{bundle}: built with --layers last4; the truth needs all layers")

    def make(scratch: Path) -> None:
        measured = measure_ground_truth(load_model(name, device=device), bundle, progress)
        write_record(scratch / "ground-truth.json", measured)

    key = sha256_json("ground truth", VERSION, values_of(SETTINGS), name, sha256_file(file))
    with locked(bundle.parent):
        adopt_earlier(bundle)
        settle(bundle)
        return run_stage(bundle, "ground truth", key, make)


def measure_ground_truth(
    model: ClipModel, folder: Path, progress: Progress | None = None
) -> GroundTruthRecord:
    """Measure a model of the demo world whose bundle is finished.

    Args:
        model: the model of the bundle.
        folder: of the bundle, all layers built.
        progress: notified of the scenes.

    Raises:
        AtlasError: if the bundle is of other weights, or its gallery is not the demo world's.
    """
    bundle = read_bundle(folder)
    if bundle.model.weights.sha256 != model.weights.sha256:
        raise AtlasError(
            f"{folder}: built with other weights than those of {model.name}; name the model that it"
            " was built with, or build it again"
        )
    basis = head_basis(model).flatten(0, 1).cpu()
    seeds = range(FIRST_REFERENCE_SEED, FIRST_REFERENCE_SEED + REFERENCE_SCENES)
    count = scenes_needed(PAIRS, CHANGES) + len(seeds) + 2 * (MAPPED_SCENES + CHOOSING_SCENES)
    with (progress or Silent()).stage("ground truth", count, "scenes") as advance:
        reference = observe_scenes(model, [sample_scene(seed) for seed in seeds], advance)
        causes = measure_causes(model, FIRST_TEST_SEED, PAIRS, CHANGES, advance)
        maps = [row for objects in (1, 2) for row in map_truths(model, basis, objects, advance)]

    test = causes.scenes
    scored_layers = bundle.model.scores.layers
    scored = [index for index, head in enumerate(bundle.heads) if head.layer in scored_layers]
    totals = {name: effect.total for name, effect in causes.groups.items()}
    truths = true_properties(totals, causes.attributes)
    heads = head_truths(bundle, causes, truths)
    labels, same_first = label_truths(bundle, reference, basis, truths, causes, scored)
    questions, written = attribute_questions(model, test.scenes), head_outputs(test, basis, scored)
    order = from_least_important(
        attribute_questions(model, reference.scenes), head_outputs(reference, basis, scored)
    )
    agreement, correlations = profile_truths(bundle, heads)
    return GroundTruthRecord(
        weights_sha256=bundle.model.weights.sha256,
        gallery_sha256=bundle.model.gallery_sha256,
        pairs=PAIRS,
        passed_over=causes.passed_over,
        changes=CHANGES,
        reference_scenes=REFERENCE_SCENES,
        lead=LEAD,
        zero_shot=zero_shot(questions, test.embeddings(basis), written),
        heads=heads,
        scored_layers=scored_layers,
        labels=labels,
        same_first_descriptions=same_first,
        neighbours=neighbour_truths([heads[index] for index in scored], test, basis),
        maps=maps,
        faithfulness=faithfulness(bundle, scored, questions, written, order),
        agreement=agreement,
        correlations=correlations,
    )
