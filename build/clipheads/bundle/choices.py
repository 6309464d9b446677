"""The words among which a build's options choose, without anything slow to import."""

from typing import Literal

NumberFormat = Literal["fp32", "bf16", "fp16"]
"""The numbers in which a vision transformer multiplies matrices."""

BuiltLayers = Literal["all", "last4"]
"""The layers whose heads are in a bundle."""

ComputedLabeller = Literal["explained", "majority", "openai"]
"""Labellers that read what a bundle says of its heads."""

LabellerKind = Literal[ComputedLabeller, "imported"]
"""Every way in which a head can get its label; `clipheads.labels.registry` has each."""
