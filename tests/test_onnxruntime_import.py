"""onnxruntime reports to nobody."""

import os
from pathlib import Path

import pytest
from fresh_python import run_fresh

SOURCES = [
    path
    for root in ("build", "generator")
    for path in (Path(__file__).parents[1] / root).rglob("*.py")
]
WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
import clipheads.{module}
"""


@pytest.mark.parametrize("module", ["browser.onnx_graph", "browser.encoders", "stages.build"])
@pytest.mark.parametrize(("given", "seen"), [(None, "1"), ("0", "0")])
def test_telemetry_is_off_before_onnxruntime_is_imported(
    module: str, given: str | None, seen: str
) -> None:
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    if given is not None:
        environment["ORT_DISABLE_TELEMETRY"] = given
    assert run_fresh(WATCH.format(module=module), environment) == f"{seen}\n"


def test_only_one_module_imports_onnxruntime() -> None:
    imports = [
        path.name
        for path in SOURCES
        if any(
            line.split()[:2] in (["import", "onnxruntime"], ["from", "onnxruntime"])
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]
    assert imports == ["onnxruntime_import.py"]
