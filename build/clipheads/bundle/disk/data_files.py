"""Where the files of `data/` are: in the repository, or in the installed wheel's copy."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
_ROOTS = (_PACKAGE.parents[1] / "data", _PACKAGE / "data")


def data_file(*parts: str) -> Path:
    """Return the path of a file or folder below `data/`, such as `data_file("topics.csv")`.

    Raises:
        FileNotFoundError: neither the repository nor the wheel holds it.
    """
    for root in _ROOTS:
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"data/{'/'.join(parts)} is neither in {_ROOTS[0]} nor in {_ROOTS[1]}")
