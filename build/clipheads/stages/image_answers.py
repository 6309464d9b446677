"""What the model answers about each image: its zero-shot answers from the texts of the pool."""

from clipheads.bundle.images import ZeroShotAnswer
from clipheads.maths.zero_shot import clearest_answers
from clipheads.stages.contributions import COORDINATES
from clipheads.stages.gallery import MANIFEST, image_ids
from clipheads.stages.rounding import rounded
from clipheads.stages.store import Store
from clipheads.stages.texts import DESCRIPTIONS, POOL

ANSWERS_OF_AN_IMAGE = 6

READS = (MANIFEST, COORDINATES, POOL, DESCRIPTIONS)
SETTINGS = ("stages.image_answers.ANSWERS_OF_AN_IMAGE",)


def image_answers(store: Store) -> dict[str, list[ZeroShotAnswer]]:
    """For each image by its id the answers of highest similarity, at most one of each property.

    Texts without a property are questions of their own.
    """
    record = store.record(POOL)
    pool = record.texts
    alone = [[row] for row, text in enumerate(pool) if text.property is None]
    rows, cosines = clearest_answers(
        store.tensor(COORDINATES, "embeddings"),
        store.tensor(DESCRIPTIONS, "embeddings"),
        [*record.rows_by_property.values(), *alone],
        ANSWERS_OF_AN_IMAGE,
    )
    return {
        image: [
            ZeroShotAnswer(text=pool[row].text, property=pool[row].property, cosine=rounded(cosine))
            for row, cosine in zip(own, values, strict=True)
        ]
        for image, own, values in zip(
            image_ids(store), rows.tolist(), cosines.tolist(), strict=True
        )
    }
