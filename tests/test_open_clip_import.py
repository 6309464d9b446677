"""open_clip imports whatever build of torchvision lies beside torch, and only once."""

import os

import pytest
from fresh_python import run_fresh

from clipheads.model.open_clip_import import import_open_clip


def run(code: str) -> str:
    """Run code where nothing but torch is imported yet."""
    return run_fresh(code, os.environ).strip()


def test_it_is_open_clip_and_the_same_module_each_time() -> None:
    module = import_open_clip()
    assert module.__name__ == "open_clip"
    assert import_open_clip() is module


def test_image_transforms_work_after_the_import() -> None:
    code = (
        "from clipheads.model.open_clip_import import import_open_clip\n"
        "clip = import_open_clip()\n"
        "from PIL import Image\n"
        "from open_clip.transform import PreprocessCfg, image_transform_v2\n"
        "t = image_transform_v2(PreprocessCfg(size=32), is_train=False)\n"
        "print(tuple(t(Image.new('RGB', (50, 40))).shape))\n"
    )
    assert run(code) == "(3, 32, 32)"


@pytest.mark.parametrize("kind", ["fits", "does not fit"])
def test_operators_are_declared_only_where_torchvision_could_not(kind: str) -> None:
    # A torchvision whose first import does what one of a CUDA wheel beside a CPU torch does,
    # and one that fits.
    code = f"""
import sys, types
import torch
from clipheads.model import open_clip_import

class Loader:
    def create_module(self, spec):
        return types.ModuleType(spec.name)
    def exec_module(self, module):
        module.__path__ = []
        has_operator = hasattr(torch.ops.torchvision, "nms")
        if {kind!r} == "does not fit" and not has_operator:
            raise RuntimeError("operator torchvision::nms does not exist")

class Finder:
    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec
        if name in ("torchvision", "open_clip"):
            return ModuleSpec(name, Loader(), is_package=True)

sys.meta_path.insert(0, Finder())
first = open_clip_import.import_open_clip()
assert open_clip_import.import_open_clip() is first
import torchvision
print(len(open_clip_import._declarations), hasattr(torch.ops.torchvision, "qnms"))
"""
    assert run(code) == {"fits": "0 False", "does not fit": "1 True"}[kind]


def test_other_failures_of_torchvision_are_not_hidden() -> None:
    code = (
        "import sys\n"
        "from clipheads.model.open_clip_import import import_open_clip\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torchvision':\n"
        "            raise RuntimeError('broken wheel')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "try:\n"
        "    import_open_clip()\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    assert run(code) == "broken wheel"
