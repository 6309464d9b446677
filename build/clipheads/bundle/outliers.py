"""Outlier tokens: patches whose residual stream is far longer than that of the others."""

from pydantic import Field

from clipheads.bundle.record import Count, Record

LARGE = 0.1
"""Share of a head's contribution from outlier tokens above which its maps get a warning."""


class ModelOutliers(Record):
    """The outlier tokens of a model in the images whose attention is shown."""

    images: Count = Field(description="Images that were looked at")
    with_outliers: Count = Field(description="Images with an outlier token")
    patches: Count = Field(description="Patches of all these images")
    outliers: Count = Field(description="Outlier tokens among them")
    longest: float = Field(
        ge=0, description="Largest length of a patch's stream over the median of its image"
    )
