"""The files with the data of one model: tables of heads and descriptions, records, citations."""

from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

from clipheads.bundle.head import DescriptionRecord, HeadRecord
from headatlas import urls
from headatlas.citation_formats import Entry, bibtex, ris
from headatlas.citations import of_head
from headatlas.pages.page import DataFile
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView
from headatlas.publish.archive import archive
from headatlas.tables import Column, Table, columns_of, table_of
from headatlas.urls import Urls

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"

MODEL = Column("model", str, "Name of the model")
PAGE = Column("page", str, "Address of the head's page, from the root of the site")
PUBLISHED = Column("published_label", str, "What the paper's authors published for this head")
HEAD = Column("id", str, "The head: L11.H7 is head 7 of layer 11, both counted from 0")
RANK = Column("rank", int, "Position in the order of selection, from 1")

HEADS_COLUMNS = (MODEL, PAGE, PUBLISHED, *columns_of(HeadRecord, "format"))
DESCRIPTIONS_COLUMNS = (MODEL, PAGE, HEAD, RANK, *columns_of(DescriptionRecord))

_README = """\
The data of {model} in an atlas of CLIP's attention heads, made by clip-head-atlas {version}.

model.json            the model, its scores, and a summary of its heads
heads/L11.H7.json     everything about a head; it names heat maps by their number
heatmaps.safetensors  the heat maps: number of tokens x <contribution of a patch, text>
images.json           the heads that contribute most to each image
gallery.json          the images: title, credit, licence and source of each
heads.csv             the numbers and labels of all heads as a table
descriptions.csv      the descriptions of all heads as a table

The site has the JSON Schemas of the records in schema/ and the pictures in gallery/. Pictures keep
the licences that gallery.json names.
"""


def heads_table(model: ModelView, site: SiteView) -> Table:
    """A row for each head: what its record holds in single values, and its published label."""
    published = site.published_labels(model)
    rows = [
        ((model.record.name, _page(view.page), published.get(record.id)), record)
        for view, record in zip(model.heads, model.bundle.heads, strict=True)
    ]
    return table_of(HEADS_COLUMNS, rows)


def descriptions_table(model: ModelView) -> Table:
    """A row for each description of each head."""
    rows = [
        ((model.record.name, _page(view.page), record.id, rank), description)
        for view, record in zip(model.heads, model.bundle.heads, strict=True)
        for rank, description in enumerate(record.descriptions, start=1)
    ]
    return table_of(DESCRIPTIONS_COLUMNS, rows)


def model_files(model: ModelView, site: SiteView) -> tuple[DataFile, ...]:
    """The files with the data of a model."""
    heads = cache(lambda: heads_table(model, site))
    descriptions = cache(lambda: descriptions_table(model))
    count = len(model.heads)
    texts = sum(len(record.descriptions) for record in model.bundle.heads)

    def file(name: str, media_type: str, about: str, make: Callable[[Urls], bytes]) -> DataFile:
        return DataFile(urls.data_file(model.record.name, name), media_type, about, cache(make))

    return (
        file("heads.csv", CSV, f"labels and numbers of {count} heads", lambda _: heads().csv()),
        file("heads.parquet", PARQUET, "the same as Parquet", lambda _: heads().parquet()),
        file("descriptions.csv", CSV, f"{texts} descriptions", lambda _: descriptions().csv()),
        file(
            "descriptions.parquet",
            PARQUET,
            "the same as Parquet",
            lambda _: descriptions().parquet(),
        ),
        file(
            "data.zip",
            "application/zip",
            "the records of model, heads and images, the heat maps and both tables",
            lambda _: _archive(model, heads(), descriptions()),
        ),
        file(
            "heads.bib",
            "application/x-bibtex",
            "citations of all heads",
            lambda where: "\n\n".join(map(bibtex, _entries(model, where))).encode() + b"\n",
        ),
        file(
            "heads.ris",
            "application/x-research-info-systems",
            "the same for reference managers",
            lambda where: "\n".join(map(ris, _entries(model, where))).encode(),
        ),
    )


def _page(link: urls.Link) -> str:
    return Urls().permanent(link)


def _entries(model: ModelView, where: Urls) -> list[Entry]:
    return [
        of_head(model.record, view.summary.id, view.summary.label).at(view.page, where).entry
        for view in model.heads
    ]


def _archive(model: ModelView, heads: Table, descriptions: Table) -> bytes:
    folder = model.bundle.folder
    heads_folder = PurePosixPath("heads")
    names = ["model.json", "images.json", "heatmaps.safetensors"]
    names += [str(heads_folder / f"{head.summary.id}.json") for head in model.heads]
    files: dict[str, bytes | Path] = {name: folder / name for name in names}
    files |= {
        "gallery.json": folder.parent / "gallery" / "manifest.json",
        "heads.csv": heads.csv(),
        "descriptions.csv": descriptions.csv(),
        "README.txt": _README.format(
            model=model.record.name, version=model.record.version
        ).encode(),
    }
    return archive({f"{model.record.name}/{path}": content for path, content in files.items()})
