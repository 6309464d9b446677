"""Names that are parts of addresses: patterns, ids of heads, and names that no model may have."""

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

RESERVED_NAMES = (
    "404.html",
    "assets",
    "compare",
    "croissant.json",
    "data",
    "gallery",
    "ground-truth",
    "heads",
    "index.html",
    "literature",
    "llms.txt",
    "methods",
    "published-labels",
    "recomputing-table-1",
    "ro-crate-metadata.json",
    "robots.txt",
    "schema",
    "search",
    "sitemap.xml",
    "stages.json",
)
"""What lies beside the models in an atlas or at the root of a site: no model can have one of
these names, in whatever case."""


# Names become addresses and file names, so that a record of somebody else must not lead anywhere.
ModelName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$",
        max_length=200,
        description="Name of the model's folder and address",
    ),
]


_MODEL_NAME: TypeAdapter[str] = TypeAdapter(ModelName)
HeadId = Annotated[str, Field(pattern=r"^L(0|[1-9][0-9]{0,3})\.H(0|[1-9][0-9]{0,3})$")]
Slug = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=200,
        description="Stable name in URLs: lower-case letters, digits and hyphens",
    ),
]
SearchFileName = Annotated[
    str,
    Field(
        pattern=r"^(\.\./projections\.onnx|[A-Za-z0-9][A-Za-z0-9_-]*\.(bin|json|onnx))$",
        max_length=220,
        description="Path from the folder of search.json",
    ),
]


def head_id(layer: int, head: int) -> str:
    """Name a head as the paper does, counting from zero: `L11.H7`."""
    return f"L{layer}.H{head}"


def why_no_model_name(name: str) -> str | None:
    """Return why no model's folder can have this name; None if one can."""
    if name.lower() in RESERVED_NAMES:
        return "the atlas needs that address"
    try:
        _MODEL_NAME.validate_python(name)
    except ValidationError:
        return "its name becomes an address: letters from A to z, digits, and - _ . +"
    return None
