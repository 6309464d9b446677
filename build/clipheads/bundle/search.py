"""`search/search.json`: the files of the search page, and what they hold."""

from typing import Literal, Self

from pydantic import Field, model_validator

from clipheads.bundle.names import HeadId, ModelName, SearchFileName, Slug
from clipheads.bundle.record import Count, Pixels, Record, Sha256, refuse_twice


class SearchFile(Record):
    """A file that the search page loads."""

    name: SearchFileName
    bytes: Count
    sha256: Sha256


class Preprocessing(Record):
    """Preprocessing of images, in open_clip's terms."""

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    resize_mode: str
    fill_color: int


class Tokenizer(Record):
    """Tokenization of texts."""

    kind: Literal["clip-bpe"] = "clip-bpe"
    vocabulary_size: int
    start_token: int
    end_token: int
    context_length: int = Field(description="Most tokens of a text, start and end included")


TOP = 8
"""Nearest images of a query that `Fidelity` compares."""

Storage = Literal["int8", "mixed", "fp16", "fp32"]
"""The number format in which weights are stored; computation is in float32. Mixed: attention in
fp16, the rest in int8."""


class Fidelity(Record):
    """Errors of an exported model against PyTorch, measured on the gallery and the texts."""

    storage: Storage
    measured_on: int = Field(description="Queries, texts or images")
    cosine_error: float = Field(description="Largest error of a cosine")
    same_top_8: float = Field(description="Share of queries with the same 8 nearest images")
    vector_error: float = Field(
        description="Largest cosine distance between a vector of the exported model and PyTorch's"
    )


SEARCH_FILES = (
    "projections",
    "coordinates",
    "basis",
    "image_embeddings",
    "texts",
    "text_embeddings",
)
"""Keys that `SearchRecord.files` always has."""


class SearchProperty(Record):
    """A property by which images can be compared."""

    name: str
    slug: Slug
    heads: list[HeadId]
    file: str = Field(description="Its key in `SearchRecord.files`")


class SearchRecord(Record):
    """`<model>/search/search.json`; written last. The files are in docs/search-format.md."""

    format: Literal[3] = 3
    model: ModelName
    gallery_sha256: str
    images: int = Field(description="Those of the gallery's manifest, in its order")
    texts: int = Field(description="Rows of texts.json")
    heads: list[HeadId] = Field(description="Ids in the order of every axis `heads`")
    rank: int = Field(description="r, the coordinates of a contribution")
    dimension: int = Field(description="D, of the joint embedding")
    grid: tuple[Pixels, Pixels] = Field(description="Rows and columns of patches")
    neighbours: Count = Field(description="Nearest images that the atlas shows in a head")
    property_neighbours: Count = Field(description="Nearest images that it shows by a property")
    preprocessing: Preprocessing
    tokenizer: Tokenizer | None = Field(description="None if it is not CLIP's own")
    properties: list[SearchProperty]
    files: dict[str, SearchFile]
    projections: Fidelity
    text_encoder: Fidelity | None = Field(description="None if it was not exported")
    image_encoder: Fidelity | None = Field(description="None if it was not exported")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        refuse_twice("head", self.heads)
        wanted = {*SEARCH_FILES, *(row.file for row in self.properties)}
        wanted |= {key for key in ("text_encoder", "image_encoder") if getattr(self, key)}
        if missing := wanted - set(self.files):
            raise ValueError(f"files has no {min(missing)}")
        if missing := {head for row in self.properties for head in row.heads} - set(self.heads):
            raise ValueError(f"a property names the head {min(missing)}, which heads does not have")
        return self
