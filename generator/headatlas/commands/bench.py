"""`head-atlas bench`: what decomposition and TEXTSPAN cost."""

from headatlas.commands.console import out

EXAMPLES = ("head-atlas bench",)


def run() -> None:
    """Measure decomposition and TEXTSPAN as ratios within one run."""
    from clipheads.benchmark import run_benchmark

    run_benchmark(out.say)
