"""A model's finder: all heads with every number that is measured of them, to sort and to plot."""

from dataclasses import dataclass

from headatlas.citations import of_model
from headatlas.pages.metrics import Metric, by_group
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView
from headatlas.pictures.scatter import Scatter, scatter

ACROSS = "variance"
"""The metric by which the table is sorted, and which the plot has from left to right."""
UP = ("total", "explained")
"""The plot has the first of these that there is from bottom to top."""


@dataclass(frozen=True, eq=False)
class FinderRow:
    """A head with its numbers as printed."""

    head: HeadView
    rank: int
    printed: tuple[str, ...]
    """In the order of the model's metrics."""
    point: tuple[float, float] | None
    """Where it lies in the plot."""


@dataclass(frozen=True, eq=False)
class FinderContent:
    """The page."""

    model: ModelView
    groups: dict[str, list[Metric]]
    rows: tuple[FinderRow, ...]
    """The largest share of variance first."""
    plot: Scatter
    across: Metric
    up: Metric


def pages(site: SiteView) -> list[Page]:
    """A page for each model that was built."""
    return [_page(model) for model in site.models]


def _page(model: ModelView) -> Page:
    metrics = {metric.key: metric for metric in model.metrics}
    across, up = metrics[ACROSS], next(metrics[key] for key in UP if key in metrics)
    plot = scatter(across.rounded, up.rounded)
    rows = [
        FinderRow(
            head=head,
            rank=across.ranks[index] or 0,
            printed=tuple(metric.printed[index] for metric in model.metrics),
            point=plot.points[index],
        )
        for index, head in enumerate(model.heads)
    ]
    name = model.record.name
    return Page(
        link=model.finder_page,
        template="finder.html",
        title=f"Heads of {name} by what is measured",
        description=f"The {len(rows)} attention heads of {name} with "
        f"{len(model.metrics)} numbers each: a table to sort and to filter, and a plot of any two.",
        content=FinderContent(
            model=model,
            groups=by_group(model.metrics),
            rows=tuple(sorted(rows, key=lambda row: row.rank)),
            plot=plot,
            across=across,
            up=up,
        ),
        trail=model.trail,
        sections={"plot": "Two numbers of every head", "table": "All numbers of every head"},
        reference=of_model(model.record, "finder"),
    )
