"""`head-atlas audit`: the paper's Table 1 beside what its published labels give."""

from pathlib import Path
from typing import Annotated

import typer

from headatlas.commands.console import out

EXAMPLES = ("head-atlas audit",)


def run(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the results to a file instead."),
    ] = None,
) -> None:
    """Recompute the paper's Table 1 from its published labels."""
    from clipheads.bundle.disk.atomic_files import replacing
    from clipheads.bundle.disk.record_files import write_record
    from clipheads.paper.report import audit
    from headatlas.commands.audit_report import audit_report

    record = audit()
    if json_file is not None:
        with replacing(json_file) as file:
            write_record(file, record)
        out.say(f"{json_file}: written")
        return
    out.show(audit_report(record))
