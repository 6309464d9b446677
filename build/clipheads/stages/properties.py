"""The properties that label heads, and what images show of each."""

from collections.abc import Sequence

from torch import Tensor

from clipheads.bundle.label_names import fold_label
from clipheads.bundle.labels import Label
from clipheads.bundle.model import PropertyQuery, PropertyRecord
from clipheads.bundle.names import head_id
from clipheads.bundle.slugs import unique_slugs
from clipheads.maths.neighbours import nearest, property_vectors, top_k
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import BASIS, COORDINATES, excess
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.labels import LABELS
from clipheads.stages.neighbours import neighbour_list
from clipheads.stages.store import Store

PROPERTY_EXAMPLES = 8
PROPERTY_NEIGHBOURS = 4

READS = (LABELS, CHECKPOINT, MANIFEST, BASIS, COORDINATES)
SETTINGS = (
    "stages.properties.PROPERTY_EXAMPLES",
    "stages.properties.PROPERTY_NEIGHBOURS",
    "bundle.slugs.MAX_LENGTH",
)


def properties(store: Store) -> list[PropertyRecord]:
    """Make the records of the properties of a bundle."""
    heads = store.record(CHECKPOINT).heads
    labels = store.record(LABELS).heads
    return property_records(
        [labels[head_id(*head)].label for head in heads],
        heads,
        image_ids(store),
        basis=store.tensor(BASIS, "basis"),
        coordinates=store.tensor(COORDINATES, "coordinates"),
        excess=store.derived(excess),
    )


def property_records(
    labels: Sequence[Label],
    heads: Sequence[tuple[int, int]],
    images: Sequence[str],
    *,
    basis: Tensor,
    coordinates: Tensor,
    excess: Tensor,
) -> list[PropertyRecord]:
    """Make a record for each property that labels a head, in alphabetical order.

    Args:
        labels: of each head.
        heads: their (layer, head).
        images: ids of the N images of the gallery.
        basis: [heads, D, r].
        coordinates: [N, heads, r].
        excess: [N, heads], each share minus the head's mean share.
    """
    labelled: dict[str, list[int]] = {}
    for position, label in enumerate(labels):
        if label.text is not None:
            labelled.setdefault(fold_label(label.text), []).append(position)
    ordered = sorted(labelled)
    names = [labels[labelled[folded][0]].text or "" for folded in ordered]
    records = []
    slugs = unique_slugs(zip(ordered, names, strict=True))
    for folded, name, slug in zip(ordered, names, slugs, strict=True):
        own = labelled[folded]
        examples = top_k(excess[:, own].mean(dim=1), PROPERTY_EXAMPLES)[0]
        vectors = property_vectors(coordinates, basis, own)
        positions, cosines = nearest(vectors, PROPERTY_NEIGHBOURS, rows=examples)
        records.append(
            PropertyRecord(
                name=name,
                slug=slug,
                heads=[head_id(*heads[position]) for position in own],
                queries=[
                    PropertyQuery(
                        image=images[image],
                        neighbours=neighbour_list(images, positions[row], cosines[row]),
                    )
                    for row, image in enumerate(examples.tolist())
                ],
            )
        )
    return records
