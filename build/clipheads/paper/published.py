"""Reads what the authors published: `labels.json` and `tables.json` of `data/published/`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.errors import AtlasError
from clipheads.bundle.names import HeadId
from clipheads.bundle.paper import PublishedModel, TableRow
from clipheads.bundle.record import Record

Label = Annotated[str, Field(pattern=r"\w")]
Labels = Annotated[dict[HeadId, Label], Field(min_length=2)]


class PublishedTables(Record):
    """`tables.json`."""

    source: str
    models: list[TableRow] = Field(min_length=1)


class OtherVersion(Record):
    """Other labels that were published for a model of `labels.json`."""

    source: str
    model: str
    labels: Labels


class PublishedLabels(Record):
    """`labels.json`."""

    source: str
    labels: dict[str, Labels]
    other_versions: list[OtherVersion] = Field(default_factory=list)


class PublishedFacts(Record):
    """Labels and tables, with their sources."""

    labels_source: str
    tables_source: str
    models: list[PublishedModel] = Field(min_length=1, description="In the order of the tables")
    other_versions: list[OtherVersion] = Field(default_factory=list)


def read_published(folder: Path | None = None) -> PublishedFacts:
    """Read the published labels and tables; `folder` is `data/published` by default.

    Raises:
        AtlasError: a file is missing or damaged, or the two disagree about the models.
    """
    folder = folder or data_file("published")
    labels = read_record(folder / "labels.json", PublishedLabels)
    tables = read_record(folder / "tables.json", PublishedTables)
    listed = [row.model for row in tables.models]
    for other in labels.other_versions:
        if set(other.labels) != set(labels.labels.get(other.model, {})):
            raise AtlasError(
                f"{folder / 'labels.json'}: other_versions: the labels of {other.model} must be of"
                " the same heads as those in labels"
            )
    unmatched = sorted(set(listed) ^ set(labels.labels))
    if unmatched or len(set(listed)) < len(listed):
        raise AtlasError(
            f"{folder}: labels.json and tables.json must name the same models, each once"
            + (f"; only one names {', '.join(unmatched)}" if unmatched else "")
        )
    return PublishedFacts(
        labels_source=labels.source,
        tables_source=tables.source,
        other_versions=labels.other_versions,
        models=[
            PublishedModel(**row.model_dump(), labels=labels.labels[row.model])
            for row in tables.models
        ],
    )
