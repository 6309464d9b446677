"""The paper's six models with three published heads each instead of 320 heads in all.

A site has a page for every published head, and most of its time goes into them. Where they are not
the point, three of each model tell as much; `test_published.py` has them all.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clipheads.bundle.disk.data_files import data_file
from clipheads.bundle.disk.record_files import read_record
from clipheads.bundle.paper import PaperRecord

HEADS = 3


@contextmanager
def few_published_heads(*also: str) -> Iterator[None]:
    """Let sites that are generated within have few pages of published heads, with those named."""
    paper = read_record(data_file("published", "paper.json"), PaperRecord)
    models = [
        row.model_copy(
            update={
                "labels": {
                    head: label
                    for index, (head, label) in enumerate(row.labels.items())
                    if index < HEADS or head in also
                }
            }
        )
        for row in paper.models
    ]
    few = paper.model_copy(update={"models": models})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "headatlas.site.read_record",
            lambda path, kind: few if kind is PaperRecord else read_record(path, kind),
        )
        yield
