"""Compare the heads of all models of an atlas: for each, its relatives in every other model.

This is no stage of a build, which knows one bundle. It runs after the builds, over all bundles that
belong to the atlas's gallery. A pair of models has a file in the bundle of each, such as
`<model>/relatives/<other>.json`. It names the state of both bundles by their fingerprints: it is
made again when one of them changes, and readers ignore one that is out of date.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from clipheads.bundle.disk.hashing import sha256_json
from clipheads.bundle.disk.locking import locked
from clipheads.bundle.disk.owned_files import discard, read_list, settle
from clipheads.bundle.disk.record_files import read_record, write_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.model import ModelRecord
from clipheads.bundle.progress import Progress, Silent
from clipheads.bundle.relatives import HeadRelatives, OtherRelativesRecord, other_relatives_file
from clipheads.maths.similarity import linear_cka
from clipheads.stages.contributions import COORDINATES
from clipheads.stages.earlier_bundles import adopt_earlier
from clipheads.stages.engine import Outcome, run_stage, values_of
from clipheads.stages.gallery import MANIFEST
from clipheads.stages.records import MODEL_RECORD
from clipheads.stages.relatives import ComparedHeads, compared_heads, relatives, relatives_of
from clipheads.stages.store import REMEDY
from clipheads.stages.text_span import TEXTSPAN
from clipheads.stages.texts import POOL

_MAKER = "relatives in "
"""Before the name of the other model: the maker of a file in the list of a bundle."""


def relate_models(atlas: Path, progress: Progress | None = None) -> dict[tuple[str, str], Outcome]:
    """Compare every two models of an atlas whose comparison is missing or out of date.

    A bundle that cannot be read is left out with a note, as is what was compared with a model that
    the atlas does not have any more.

    Returns:
        What was done for each pair of models.

    Raises:
        AtlasError: if another run is using the atlas, or a file cannot be written.
    """
    progress = progress or Silent()
    outcomes: dict[tuple[str, str], Outcome] = {}
    with locked(atlas):
        bundles = dict(_bundles(atlas, progress))
        heads: dict[str, ComparedHeads] = {}
        for folder in bundles:
            _forget_others(folder, {other.name for other in bundles})
        pairs = list(combinations(bundles, 2))
        if not pairs:
            return outcomes
        with progress.stage("relatives", len(pairs), "pairs of models") as advance:
            for first, second in pairs:
                pair = (first.name, second.name)
                try:
                    outcomes[pair] = _relate(first, second, bundles, heads)
                except AtlasError as error:
                    progress.note(f"{first.name} and {second.name} were not compared: {error}")
                advance(1)
    return outcomes


def _bundles(atlas: Path, progress: Progress) -> Iterator[tuple[Path, ModelRecord]]:
    """The folders of the finished bundles over the gallery of an atlas, with their models."""
    paths = sorted(atlas.glob(f"*/{MODEL_RECORD.path}"))
    if not paths:
        return
    manifest = read_record(atlas / MANIFEST.path, MANIFEST.kind, remedy=REMEDY)
    for path in paths:
        folder = path.parent
        try:
            adopt_earlier(folder)
            settle(folder)
            model = read_record(path, ModelRecord, remedy=REMEDY)
        except AtlasError as error:
            progress.note(f"{folder.name} was not compared with other models: {error}")
            continue
        if model.gallery_sha256 == manifest.sha256 and model.name == folder.name:
            yield folder, model


def _relate(
    first: Path,
    second: Path,
    bundles: Mapping[Path, ModelRecord],
    heads: dict[str, ComparedHeads],
) -> Outcome:
    """Compare two models in both directions; `heads` keeps what has been read of each."""
    found: dict[Path, dict[str, HeadRelatives]] = {}

    def compare() -> None:
        left, right = (_heads(folder, heads) for folder in (first, second))
        if left.kernels.images != right.kernels.images:
            raise AtlasError(f"{first / COORDINATES.path}: of another gallery than {second.name}'s")
        cka = linear_cka(left.kernels, right.kernels)
        found[first] = relatives_of(left, right, cka)
        found[second] = relatives_of(right, left, cka.T)

    outcomes = []
    for folder, other in ((first, second), (second, first)):
        model, others = bundles[folder], bundles[other]

        def make(scratch: Path, folder: Path = folder, other: Path = other) -> None:
            if not found:
                compare()
            record = OtherRelativesRecord(
                model=folder.name,
                other=other.name,
                fingerprint=bundles[folder].relatives.fingerprint,
                other_fingerprint=bundles[other].relatives.fingerprint,
                heads=found[folder],
            )
            file = scratch / other_relatives_file(other.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_record(file, record)

        key = sha256_json(
            model.relatives.fingerprint,
            others.relatives.fingerprint,
            values_of(relatives.settings),
        )
        outcomes.append(run_stage(folder, f"{_MAKER}{other.name}", key, make))
    return "built" if "built" in outcomes else "unchanged"


def _heads(folder: Path, heads: dict[str, ComparedHeads]) -> ComparedHeads:
    if folder.name not in heads:
        try:
            coordinates = load_file(folder / COORDINATES.path)["coordinates"]
        except (OSError, KeyError, SafetensorError) as error:
            raise AtlasError(
                f"{folder / COORDINATES.path}: cannot be read ({error}); {REMEDY}"
            ) from error
        heads[folder.name] = compared_heads(
            coordinates,
            read_record(folder / TEXTSPAN.path, TEXTSPAN.kind, remedy=REMEDY),
            read_record(folder / POOL.path, POOL.kind, remedy=REMEDY),
        )
    return heads[folder.name]


def _forget_others(folder: Path, models: set[str]) -> None:
    """Remove what compares a bundle with a model that is not, or no longer, in the atlas."""
    for maker in read_list(folder).made:
        if maker.startswith(_MAKER) and maker.removeprefix(_MAKER) not in models:
            discard(folder, maker)
