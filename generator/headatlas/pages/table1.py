"""The recomputation of the paper's Table 1 from the published labels."""

from dataclasses import dataclass

from clipheads.bundle.paper import DEFINITION, PaperRecord, Reading
from headatlas import urls
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.published import PublishedModelView
from headatlas.pages.site_view import SiteView


@dataclass(frozen=True, eq=False)
class Table1Content:
    """The page."""

    models: tuple[PublishedModelView, ...]
    report: PaperRecord
    measures: tuple[tuple[str, str], ...]
    """Each measure's name, and what it counts."""
    foldings: tuple[str, ...]
    shared_reading: Reading
    """By the paper's definition."""
    unique_reading: Reading


def pages(site: SiteView) -> list[Page]:
    """The one page."""
    report = site.published.paper
    return [
        Page(
            link=urls.TABLE_1,
            template="table1.html",
            title="Recomputing Table 1",
            description="The entanglement scores of six CLIP models, recomputed from the labels "
            "that the paper’s authors published, beside the printed ones.",
            content=Table1Content(
                models=site.published.models,
                report=report,
                measures=tuple({r.measure: r.title for r in report.readings}.items()),
                foldings=tuple(dict.fromkeys(reading.folding for reading in report.readings)),
                shared_reading=report.reading(DEFINITION),
                unique_reading=report.reading("unique"),
            ),
            trail=(ATLAS,),
            sections={
                "counts": "Heads with a shared and with a unique label",
                "care": "Caveats",
                "findings": "Findings",
                "readings": "All ways of counting",
                "spellings": "Spellings counted as one label",
                "shared": "Shared labels",
            },
        )
    ]
