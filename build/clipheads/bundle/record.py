"""What all records share: the format of the bundle, strict reading, and checks."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

FORMAT = 3
"""Version of the bundle; a generator refuses any other."""


def _known_format(value: object) -> object:
    if isinstance(value, int) and 0 < value < FORMAT:
        raise ValueError(
            f"built by an earlier version of head-atlas, in bundle format {value} where this one"
            f" reads {FORMAT}"
        )
    if value != FORMAT:
        raise ValueError(f"bundle format {str(value)[:20]}, but this version reads format {FORMAT}")
    return value


Format = Annotated[Literal[3], BeforeValidator(_known_format)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Index = Annotated[int, Field(ge=0)]
Pixels = Annotated[int, Field(gt=0, lt=100_000)]


class Record(BaseModel):
    """Base of all records: unknown fields are an error, numbers are finite, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def refuse_twice(kind: str, names: Iterable[str]) -> None:
    """Refuse a duplicate name.

    Raises:
        ValueError: naming it.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {kind} {name} appears twice")
        seen.add(name)


def check_head(identity: str, layer: int, head: int) -> None:
    """Refuse a head whose name says another layer or head.

    Raises:
        ValueError: naming it.
    """
    if identity != f"L{layer}.H{head}":
        raise ValueError(f"{identity} is called head {head} of layer {layer}")
