"""`import clipheads`: every public name, in every order, and nothing that is not needed."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fresh_python import run_fresh

import clipheads

FOLDER = Path(clipheads.__file__).parent
MODULES = {
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in FOLDER.rglob("*.py")
}
SLOW_TO_IMPORT = {"torch", "open_clip", "onnxruntime", "pydantic", "numpy"}


def python(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_no_public_name_is_the_name_of_a_module() -> None:
    assert not {f"clipheads.{name}" for name in clipheads.__all__} & MODULES


@pytest.mark.parametrize("seed", range(4))
def test_public_names_import_in_any_order_and_stay_what_they_are(seed: int) -> None:
    names = random.Random(seed).sample(clipheads.__all__, len(clipheads.__all__))
    modules = random.Random(seed).sample(sorted(MODULES), 12)

    run_fresh(
        f"""
import importlib
import clipheads

def same(one, other):
    return one is other and (callable(one) or isinstance(one, tuple))

{"; ".join(f"from clipheads import {name}" for name in names[:6])}
for module in {modules}:
    importlib.import_module(module)
{"; ".join(f"from clipheads import {name}" for name in names[6:])}
for name in {names}:
    assert same(getattr(clipheads, name), globals()[name]), name
""",
        os.environ,
    )


def test_a_star_import_brings_the_functions() -> None:
    run_fresh(
        "from clipheads import *\n"
        "assert callable(decompose) and callable(textspan) and callable(contributions)",
        os.environ,
    )


def test_public_names_are_completed_before_they_are_used() -> None:
    completed = python("import clipheads; print(*dir(clipheads))").split()

    assert set(clipheads.__all__) <= set(completed)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'decomposse'"):
        clipheads.decomposse  # noqa: B018


def test_importing_the_package_alone_loads_nothing_slow() -> None:
    loaded = set(python("import sys, clipheads; print(*sys.modules)").split())

    assert not loaded & SLOW_TO_IMPORT


def test_the_bundle_is_read_without_torch() -> None:
    loaded = set(python("import sys, clipheads.bundle; print(*sys.modules)").split())

    assert "torch" not in loaded
