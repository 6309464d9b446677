"""The page with the data of the atlas: files, their sizes, and how to read them."""

from dataclasses import dataclass
from functools import cache, partial

from headatlas import urls
from headatlas.citations import Reference
from headatlas.pages.croissant import croissant
from headatlas.pages.markdown_twin import MEDIA_TYPE, llms_txt
from headatlas.pages.model_files import DESCRIPTIONS_COLUMNS, HEADS_COLUMNS, model_files
from headatlas.pages.page import ATLAS, DataFile, Page
from headatlas.pages.ro_crate import ro_crate
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView
from headatlas.tables import Column

JSON_LD = "application/ld+json"

PANDAS = """\
import pandas as pd

heads = pd.read_csv("{site}{model}/heads.csv")
largest = heads.nlargest(5, "variance_share")
print(largest[["id", "label_text", "variance_share"]])"""

POLARS = """\
from urllib.request import urlopen
import polars as pl

texts = pl.read_parquet(urlopen("{site}{model}/descriptions.parquet").read())
print(texts.group_by("property").agg(pl.col("share").sum()).sort("share", descending=True))"""

JAVASCRIPT = """\
const response = await fetch("{site}{head}");
const head = await response.json();
for (const description of head.descriptions) {{
  console.log(description.text, description.share);
}}"""

SITE = "{site}"
"""Stands for the address of the site where a page learns it only when it is opened."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A few lines of code that read a file of the site."""

    name: str
    code: str

    def at(self, site: str) -> str:
        """The lines for a site at this address."""
        return self.code.replace(SITE, site)


@dataclass(frozen=True, eq=False)
class DataContent:
    """The page."""

    models: tuple[tuple[ModelView, tuple[DataFile, ...]], ...]
    atlas: tuple[DataFile, ...]
    """Files about the whole atlas."""
    samples: tuple[Sample, ...]
    columns: tuple[tuple[str, tuple[Column, ...]], ...]
    """Names of tables, with their columns."""
    searched: frozenset[str]
    """The models whose coordinates the search page loads."""


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    models = tuple((model, model_files(model, site)) for model in site.models)
    of_models = tuple(file for _, files in models for file in files)
    about = (
        DataFile(
            urls.CROISSANT,
            JSON_LD,
            "the tables described for machine learning, as Croissant",
            cache(partial(croissant, models)),
        ),
        DataFile(
            urls.RO_CRATE,
            JSON_LD,
            "the site described as a research object, as RO-Crate",
            cache(partial(ro_crate, of_models)),
        ),
        DataFile(
            urls.LLMS,
            MEDIA_TYPE,
            "where programs that read text begin; heads and models have an index.md",
            partial(llms_txt, site),
        ),
    )
    first = site.models[0]
    names = {
        "site": SITE,
        "model": first.record.name,
        "head": urls.head_data(first.record.name, first.heads[0].summary.id).path,
    }
    return [
        Page(
            link=urls.DATA,
            template="data.html",
            title="Download the data",
            description="All heads and descriptions of the atlas as CSV and Parquet, the records "
            "of each model as an archive, and how to read them.",
            content=DataContent(
                models=models,
                atlas=about,
                samples=tuple(
                    Sample(name, code.format(**names))
                    for name, code in (
                        ("Python, pandas", PANDAS),
                        ("Python, polars", POLARS),
                        ("JavaScript", JAVASCRIPT),
                    )
                ),
                columns=(("heads", HEADS_COLUMNS), ("descriptions", DESCRIPTIONS_COLUMNS)),
                searched=site.searched,
            ),
            trail=(ATLAS,),
            sections={
                "files": "Files",
                "read": "Read them",
                "columns": "Columns of the tables",
                "licence": "Licences",
            },
            reference=Reference("data of the attention heads of CLIP's vision transformers"),
            dataset=True,
            downloads=(*of_models, *about),
        )
    ]
