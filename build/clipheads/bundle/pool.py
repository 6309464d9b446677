"""`pool.json`, `topics.json` and `textspan.json`: the texts, and which of them describe a head."""

from typing import Literal

from pydantic import Field, RootModel

from clipheads.bundle.record import Record


class DescriptionPool(Record):
    """The texts that TEXTSPAN chose from."""

    name: str
    count: int
    properties: int
    sha256: str


class PoolText(Record):
    """A text that TEXTSPAN can pick, and the property that it describes, if there is any."""

    text: str
    property: str | None


class PoolRecord(Record):
    """`<model>/pool.json`: the rows of `descriptions.safetensors` and their taxonomy."""

    format: Literal[1] = 1
    name: str = Field("", description="The pool's file, without its suffix")
    texts: list[PoolText]
    parents: dict[str, str] = Field(
        description="The wider property of each property that has one, by its folded name"
    )

    @property
    def rows_by_property(self) -> dict[str, list[int]]:
        """The rows of the texts of each property; texts without one are left out."""
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(self.texts):
            if text.property is not None:
                rows.setdefault(text.property, []).append(row)
        return rows


class TopicsRecord(Record):
    """`<model>/topics.json`: the texts of which every head gets heat maps, and the contrasts."""

    topics: list[PoolText]
    contrasts: list[tuple[str, str]]

    @property
    def distinct_texts(self) -> list[str]:
        """All texts, each once, as the rows of `topics.safetensors`."""
        topics = [topic.text for topic in self.topics]
        return list(dict.fromkeys([*topics, *(text for pair in self.contrasts for text in pair)]))


class PickRecord(Record):
    """A text that TEXTSPAN picked for a head."""

    index: int = Field(description="Its row in the pool", ge=0)
    share: float = Field(description="Share of the head's variance that it explains")


class TextSpanRecord(RootModel[dict[str, list[PickRecord]]]):
    """`<model>/textspan.json`: the picks of each head, in order, by its id."""
