"""The stage `search`: what the search page loads of a model."""

from clipheads.browser.search_files import FOLDER, RECORD, Encoder, SearchText, write_search
from clipheads.bundle.search import SearchRecord
from clipheads.stages import properties as of_properties
from clipheads.stages.checkpoint import CHECKPOINT
from clipheads.stages.contributions import BASIS, COORDINATES
from clipheads.stages.encoders import IMAGE_ENCODER, TEXT_ENCODER
from clipheads.stages.engine import Stage
from clipheads.stages.gallery import MANIFEST
from clipheads.stages.neighbours import NEIGHBOURS
from clipheads.stages.projections import PROJECTIONS
from clipheads.stages.properties import PROPERTY_NEIGHBOURS, properties
from clipheads.stages.store import File, RecordFile, Store
from clipheads.stages.texts import POOL, TEXTS, TOPICS, text_embeddings, text_rows

SEARCH = RecordFile(f"{FOLDER}/{RECORD}", SearchRecord)
TABLES = (File(f"{FOLDER}/*.bin"), File(f"{FOLDER}/texts.json"))
ENCODERS: dict[Encoder, File] = {"text": TEXT_ENCODER, "image": IMAGE_ENCODER}


def search_texts(store: Store) -> list[SearchText]:
    """List every text once, with its property and what it is for."""
    given = store.record(TOPICS)
    texts = [SearchText(row.text, row.property, "description") for row in store.record(POOL).texts]
    texts += [SearchText(topic.text, topic.property, "topic") for topic in given.topics]
    texts += [SearchText(text, None, "contrast") for pair in given.contrasts for text in pair]
    first: dict[str, SearchText] = {}
    for text in texts:
        first.setdefault(text.text, text)
    return list(first.values())


def _make(store: Store) -> None:
    rows, texts = store.derived(text_rows), search_texts(store)
    with store.steps(1, "folders") as advance:
        write_search(
            store.new(SEARCH.path).parent,
            checkpoint=store.record(CHECKPOINT),
            manifest=store.record(MANIFEST),
            basis=store.tensor(BASIS, "basis"),
            coordinates=store.tensor(COORDINATES, "coordinates"),
            shares=store.tensor(COORDINATES, "shares"),
            embeddings=store.tensor(COORDINATES, "embeddings"),
            texts=texts,
            text_embeddings=store.derived(text_embeddings)[[rows[text.text] for text in texts]],
            properties=store.derived(properties),
            projections=store.path(PROJECTIONS),
            encoders={
                encoder: store.path(file) for encoder, file in ENCODERS.items() if store.has(file)
            },
            neighbours=NEIGHBOURS,
            property_neighbours=PROPERTY_NEIGHBOURS,
        )
        advance(1)


search = Stage(
    "search",
    _make,
    reads=(
        *TEXTS,
        PROJECTIONS,
        *ENCODERS.values(),
        *of_properties.READS,  # and of these the checkpoint, the manifest, bases and coordinates
    ),
    writes=(SEARCH, *TABLES),
    settings=(
        "browser.binary_rows.VERSION",
        "stages.neighbours.NEIGHBOURS",
        *of_properties.SETTINGS,
    ),
    version=3,
    seals=(SEARCH,),
)
