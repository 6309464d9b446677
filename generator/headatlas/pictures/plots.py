"""Plots as SVG that reads on light and on dark paper, the same bytes for the same numbers."""

import io
from collections.abc import Sequence
from typing import Any

from clipheads.bundle.ground_truth import Curve, Faithfulness
from headatlas.pictures.palette import swatch

INK = {"light": "#1b1c20", "dark": "#ebe8e1"}
SOFT = {"light": "#b9b6ad", "dark": "#4a4c55"}
SIZE = (6.4, 3.8)


def descriptions_plot(measured: Faithfulness) -> bytes:
    """Accuracy over the number of descriptions that stand for each head; dashed: random texts."""
    steps = range(1, len(measured.by_descriptions[0].values) + 1)
    return _draw(
        measured.by_descriptions,
        dashed=measured.by_random_texts,
        across=list(steps),
        label="descriptions for each head",
    )


def ablation_plot(measured: Faithfulness) -> bytes:
    """Accuracy over the number of heads that are replaced by their mean, least important first."""
    steps = range(len(measured.by_ablation[0].values))
    return _draw(
        measured.by_ablation, dashed=(), across=list(steps), label="heads replaced by their mean"
    )


def _draw(
    curves: Sequence[Curve], *, dashed: Sequence[Curve], across: list[int], label: str
) -> bytes:
    # matplotlib takes a second to import, and most sites have no plot.
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    colours = [swatch("light", index) for index in range(len(curves))]
    settings: dict[Any, Any] = {
        "svg.hashsalt": "clip-head-atlas",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK["light"],
        "axes.edgecolor": SOFT["light"],
        "axes.labelcolor": INK["light"],
        "xtick.color": INK["light"],
        "ytick.color": INK["light"],
        "grid.color": SOFT["light"],
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        for curve, colour in zip(curves, colours, strict=True):
            axes.plot(across, curve.values, color=colour, linewidth=2, label=curve.name)
        for curve, colour in zip(dashed, colours, strict=False):
            axes.plot(across, curve.values, color=colour, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.set_ylim(0, 1.02)
        axes.set_xlim(across[0], across[-1])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(label)
        axes.set_ylabel("zero-shot accuracy")
        axes.grid(axis="y", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _with_dark(file.getvalue(), len(curves)).encode()


def _with_dark(svg: str, curves: int) -> str:
    """Give every colour its counterpart for dark paper, by the reader's own preference."""
    swaps = [(INK["light"], INK["dark"]), (SOFT["light"], SOFT["dark"])]
    swaps += [(swatch("light", index), swatch("dark", index)) for index in range(curves)]
    rules = "".join(
        f'[style*="stroke: {light}"]{{stroke:{dark}!important}}'
        f'[style*="fill: {light}"]{{fill:{dark}!important}}'
        for light, dark in swaps
    )
    sheet = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    head, mark, rest = svg.partition("<defs>")
    return f"{head}{sheet}{mark}{rest}"
