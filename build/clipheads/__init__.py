"""CLIP's image embedding as an exact sum of contributions of attention heads.

>>> import torch
>>> from clipheads import contributions, decompose, head_basis, load_model
>>> model = load_model("local-dir:data/demo/demo-clip")        # or "ViT-B-32_openai"
>>> parts = decompose(model, torch.rand(2, 3, 64, 64))         # images [B, 3, S, S]
>>> contributions(parts, head_basis(model)).shape              # [B, L, H, D]
torch.Size([2, 6, 6, 128])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipheads.maths.decomposition import (
        contributions,
        decompose,
        decompose_patches,
        head_basis,
    )
    from clipheads.maths.scores import association, entanglement
    from clipheads.maths.text_span import textspan
    from clipheads.model.load import load_model
    from clipheads.model.names import PAPER_MODELS
    from clipheads.model.text import embed_texts
    from clipheads.stages.build import build_model
    from clipheads.texts.pools import read_descriptions

__all__ = [
    "PAPER_MODELS",
    "association",
    "build_model",
    "contributions",
    "decompose",
    "decompose_patches",
    "embed_texts",
    "entanglement",
    "head_basis",
    "load_model",
    "read_descriptions",
    "textspan",
]

_HOME = {
    "PAPER_MODELS": "model.names",
    "association": "maths.scores",
    "build_model": "stages.build",
    "contributions": "maths.decomposition",
    "decompose": "maths.decomposition",
    "decompose_patches": "maths.decomposition",
    "embed_texts": "model.text",
    "entanglement": "maths.scores",
    "head_basis": "maths.decomposition",
    "load_model": "model.load",
    "read_descriptions": "texts.pools",
    "textspan": "maths.text_span",
}
"""The module of every public name. None is called like a public name: importing a submodule binds
it here under its own name, where it would hide the function."""


def __getattr__(name: str) -> Any:
    """Import on first use, so that the generator can read bundles without loading torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names as well, for completion in notebooks."""
    return sorted({*globals(), *__all__})
