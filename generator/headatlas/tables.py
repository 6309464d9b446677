"""Records as tables: a row for each record, a column for each field that holds one value.

Columns follow the record, so that a new number of a head is a column without further work:

    >>> from clipheads.bundle.neighbour import Neighbour
    >>> [column.name for column in columns_of(Neighbour)]
    ['image', 'score']
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq

from clipheads.bundle.record import Record

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """A column: its values, and where in a record they are."""

    name: str
    kind: type
    """`str`, `int`, `float` or `bool`; a value can also be missing."""
    description: str = ""
    path: tuple[str, ...] = ()
    """The fields that lead to the value."""

    def value(self, record: Record) -> Value:
        """The value of a record; None if it has none."""
        found: Any = record
        for name in self.path:
            found = None if found is None else getattr(found, name)
        return found  # type: ignore[no-any-return]  # as `columns_of` found it to be


@dataclass(frozen=True)
class Table:
    """Rows under columns."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[Value, ...]]

    def csv(self) -> bytes:
        """Comma-separated: UTF-8 with a header, nothing where a value is missing."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.name for column in self.columns)
        writer.writerows([_in_csv(value) for value in row] for row in self.rows)
        return text.getvalue().encode()

    def parquet(self) -> bytes:
        """Parquet, with the description of each column in its metadata."""
        fields = [
            pa.field(
                column.name,
                _IN_PARQUET[column.kind],
                metadata={"description": column.description} if column.description else None,
            )
            for column in self.columns
        ]
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(fields)
        arrays = [
            pa.array(values, field.type) for field, values in zip(fields, columns, strict=True)
        ]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), file)
        return file.getvalue()


def columns_of(record: type[Record], *leave_out: str) -> tuple[Column, ...]:
    """The columns of a kind of record: its values, and those of the records within it.

    Lists have no column. A value `text` within the field `label` is the column `label_text`.
    """
    columns = []
    for name, field in record.model_fields.items():
        kind = _one_kind(field.annotation)
        if name in leave_out or kind is None:
            continue
        if issubclass(kind, Record):
            columns += [
                Column(
                    f"{name}_{inner.name}",
                    inner.kind,
                    ": ".join(filter(None, (field.description, inner.description))),
                    (name, *inner.path),
                )
                for inner in columns_of(kind)
            ]
        else:
            columns.append(Column(name, kind, field.description or "", (name,)))
    return tuple(columns)


def table_of(
    columns: tuple[Column, ...], records: Iterable[tuple[tuple[Value, ...], Record]]
) -> Table:
    """A table of records, each behind its values of the first columns, which are not in it."""
    rows = [
        (*values, *(column.value(record) for column in columns[len(values) :]))
        for values, record in records
    ]
    return Table(columns, rows)


def _one_kind(annotation: Any) -> type | None:
    """What one value of a field is: a kind of value, a record, or None for anything else."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _one_kind(get_args(annotation)[0])
    kinds: set[type | None] = {annotation}
    if origin is Literal:
        kinds = {type(value) for value in get_args(annotation)}
    elif origin in (Union, UnionType):
        kinds = {_one_kind(part) for part in get_args(annotation) if part is not NoneType}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind if isinstance(kind, type) and issubclass(kind, (Record, *_IN_PARQUET)) else None


def _in_csv(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


_IN_PARQUET: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}
