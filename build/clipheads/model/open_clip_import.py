"""Import open_clip also where torchvision's compiled operators do not fit the installed torch.

open_clip needs torchvision only for its image transforms, which are plain Python. A torchvision
wheel built for CUDA beside a CPU build of torch nevertheless fails on import, because it attaches
shape functions to two operators, `nms` and `qnms`, that its compiled library could not declare.
Declaring them, without an implementation, is enough for the import; nothing here calls them.
"""

import importlib
import sys
from types import ModuleType

import torch

_UNDECLARED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declarations: list[torch.library.Library] = []  # an operator lives as long as its library


def import_open_clip() -> ModuleType:
    """Return the module `open_clip`; torchvision's operators are declared only if it needs that."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_operators()
    return importlib.import_module("open_clip")


def _declare_operators() -> None:
    """Declare the operators, and forget the import that failed for lack of them."""
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for schema in _UNDECLARED:
        library.define(schema)  # type: ignore[no-untyped-call]
    _declarations.append(library)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
