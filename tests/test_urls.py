"""All addresses come from one module, and those that models cannot have are reserved."""

import re
from pathlib import Path

import headatlas
from clipheads.bundle.names import RESERVED_NAMES
from headatlas.urls import TOP_LEVEL

IN_AN_ATLAS = {"stages.json"}
"""What lies beside the models in an atlas, but not on a site."""


def test_what_lies_beside_the_models_is_what_the_contract_reserves():
    assert set(RESERVED_NAMES) == TOP_LEVEL | IN_AN_ATLAS
    assert not TOP_LEVEL & IN_AN_ATLAS


ADDRESS = re.compile(r"""f"[^"]*/[^"]*\.(webp|svg|json|js)"|["'/]index\.html|head\.json["']""")


FILES_ON_DISK = {"atlas_reader.py", "check.py", "link_targets.py", "output.py", "serve.py"}
"""Modules with paths of a bundle, or of a site of any origin."""


def test_no_other_module_writes_an_address():
    package = Path(headatlas.__file__).parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        if path.name not in FILES_ON_DISK | {"urls.py"} and path.parent.name != "commands"
        for line in path.read_text("utf-8").splitlines()
        if ADDRESS.search(line)
    ]
    assert found == []
