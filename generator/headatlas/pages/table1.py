"""The recomputation of the paper's Table 1 from the published labels."""

from dataclasses import dataclass

from clipheads.bundle.paper import DEFINITION, PaperRecord, Reading
from headatlas import urls
from headatlas.pages.page import ATLAS, Page
from headatlas.pages.published import PublishedModelView
from headatlas.pages.site_view import SiteView
from headatlas.pictures.slope_chart import Slope, slope_chart

SLOPES_HEIGHT = 300
SLOPES_LINE = 19
"""Height of a line of text in the slope chart, in its units."""


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
    height: int
    """Of the slope chart."""
    slopes: tuple[Slope, ...]
    """From the printed value of each model to the recomputed one."""

    @property
    def pairs(self) -> int:
        """How many pairs of models there are."""
        return len(self.models) * (len(self.models) - 1) // 2


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
                height=SLOPES_HEIGHT,
                slopes=_slopes(report),
            ),
            trail=(ATLAS,),
            sections={
                "order": "Printed and recomputed",
                "counts": "Heads with a shared and with a unique label",
                "care": "Caveats",
                "findings": "Findings",
                "readings": "All ways of counting",
                "spellings": "Spellings counted as one label",
                "shared": "Shared labels",
            },
        )
    ]


def _slopes(report: PaperRecord) -> tuple[Slope, ...]:
    """Models as lines from the printed to the recomputed value."""
    return slope_chart(
        [
            (f"{row.size}/{row.patch} {row.data}", row.entanglement, row.shared.value)
            for row in report.models
        ],
        height=SLOPES_HEIGHT,
        line=SLOPES_LINE,
    )
