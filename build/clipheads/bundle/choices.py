"""The values of a build's options, without anything slow to import."""

from typing import Literal

NumberFormat = Literal["fp32", "bf16", "fp16"]
"""The floating-point format in which a vision transformer multiplies matrices."""

BuiltLayers = Literal["all", "last4"]
"""The layers whose heads are in a bundle."""

ComputedLabeller = Literal["explained", "majority", "openai"]
"""Labellers that work from a bundle."""

LabellerKind = Literal[ComputedLabeller, "imported"]
"""All labellers; `clipheads.labels.registry` has them."""
