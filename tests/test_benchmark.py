"""The benchmark reports one row for each model and each size of gallery; times are not asserted."""

import pytest
from checkpoints import TINY

from clipheads import benchmark
from clipheads.model.open_clip_import import import_open_clip


def test_it_reports_a_plain_table(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = import_open_clip().factory._MODEL_CONFIGS
    for architecture in benchmark.ARCHITECTURES:
        monkeypatch.setitem(configs, architecture, TINY)
    monkeypatch.setattr(benchmark, "GALLERIES", (70, 1_200))
    lines: list[str] = []

    benchmark.run_benchmark(lines.append, pairs=3, batch=2)

    rows = [line.split() for line in lines if line]
    models = {row[0]: row for row in rows if row[0] in benchmark.ARCHITECTURES}
    assert set(models) == set(benchmark.ARCHITECTURES)
    for row in models.values():
        assert float(row[5]) > 0
        assert row[2] == row[4] == "ms"
    assert [row[0] for row in rows if row[0] in ("70", "1200")] == ["70", "1200"]
    assert all(len(line) <= 80 for line in lines)
