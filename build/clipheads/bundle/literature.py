"""`literature.json`: heads that publications name for a role, with where each of them says so."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from clipheads.bundle.names import HeadId, Slug
from clipheads.bundle.record import Record, refuse_twice

WebAddress = Annotated[str, Field(pattern=r"^https://\S+$")]
Phrase = Annotated[str, Field(pattern=r"\w")]
Size = Annotated[int, Field(gt=0)]


class ArchitectureSize(Record):
    """How many heads an architecture has."""

    layers: Size
    heads: Size = Field(description="In each layer")

    def has(self, identity: HeadId) -> bool:
        """Whether there is a head of that name, such as L11.H7."""
        layer, head = (int(part[1:]) for part in identity.split("."))
        return layer < self.layers and head < self.heads


class Publication(Record):
    """A paper."""

    id: Slug
    authors: list[Phrase] = Field(min_length=1)
    title: Phrase
    year: int = Field(ge=2021, description="CLIP was published in 2021")
    venue: Phrase
    url: WebAddress
    finding: Phrase = Field(description="How its authors found the heads, in a sentence")


class NamedHeads(Record):
    """Heads of one model that a publication names for one role."""

    publication: Slug
    architecture: Phrase = Field(description="As open_clip calls it")
    pretrained: Phrase | None = Field(
        description="open_clip's tag of the weights; None where the source names no weights"
    )
    weights: Phrase = Field(description="From what it follows that the weights are these")
    role: Phrase
    heads: list[HeadId] = Field(min_length=1)
    position: Phrase = Field(description="Where in the file or paper at `url` they are named")
    url: WebAddress

    @model_validator(mode="after")
    def _each_head_once(self) -> Self:
        refuse_twice("head", self.heads)
        return self

    @property
    def model(self) -> str | None:
        """The model as an atlas calls it; None where the source names no weights."""
        return self.pretrained and f"{self.architecture}_{self.pretrained}"


class LiteratureRecord(Record):
    """`data/published/literature.json`."""

    source: Phrase
    architectures: dict[str, ArchitectureSize]
    publications: list[Publication] = Field(min_length=1)
    named: list[NamedHeads] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_heads_exist(self) -> Self:
        refuse_twice("publication", (publication.id for publication in self.publications))
        for row in self.named:
            if row.architecture not in self.architectures:
                raise ValueError(f"architectures lacks {row.architecture}")
            for head in row.heads:
                if not self.architectures[row.architecture].has(head):
                    raise ValueError(f"{row.architecture} has no head {head}")
        return self

    @model_validator(mode="after")
    def _named_by_publications(self) -> Self:
        unmatched = {row.publication for row in self.named} ^ {row.id for row in self.publications}
        if unmatched:
            raise ValueError(f"{min(unmatched)} is no publication, or one that names no head")
        return self
