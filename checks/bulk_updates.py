"""UPDATE statements that Django has no method for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from django.db import connection, models
from django.db.models import QuerySet
from django.db.models.sql import UpdateQuery

# SQLite accepts at most 32,766 parameters in a statement.
_MOST_PARAMETERS = 30_000

Row = tuple[Any, ...]


def update_rows(model: type[models.Model], names: Sequence[str], rows: Sequence[Row]) -> None:
    """Update the fields `names` of many rows. Each of `rows` is a primary key and the new values.

    Costs one statement for all rows, or one for each 30,000 parameters. Unlike
    `QuerySet.bulk_update`, the statement has no CASE expression, which costs Django more than
    PostgreSQL needs for the update.
    """
    fields: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in names)]
    for part in _parts(rows, _MOST_PARAMETERS // len(fields)):
        values = [
            field.get_db_prep_save(value, connection)
            for row in part
            for field, value in zip(fields, row, strict=True)
        ]
        with connection.cursor() as cursor:
            cursor.execute(_statement(model, fields, len(part)), values)


def update_returning(rows: QuerySet[Any], **values: Any) -> list[int]:
    """Update the rows as `QuerySet.update` does, and return the primary keys of these rows."""
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(values)
    statement, parameters = query.get_compiler(connection=connection).as_sql()
    key = connection.ops.quote_name(rows.model._meta.pk.column)
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {key}", parameters)
        return [pk for (pk,) in cursor.fetchall()]


def _parts(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _statement(model: type[models.Model], fields: Sequence[Any], count: int) -> str:
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    # Both databases name the columns of VALUES column1, column2 and so on.
    changes = ", ".join(
        f"{quote(field.column)} = new.column{number}" for number, field in enumerate(fields[1:], 2)
    )
    # PostgreSQL takes the types of the columns from the first row. SQLite has none.
    typed = [_typed(field) for field in fields]
    first, other = f"({', '.join(typed)})", f"({', '.join(['%s'] * len(fields))})"
    values = ", ".join(chain([first], [other] * (count - 1)))
    # Names of our own tables and columns; the values are parameters.
    return (
        f"UPDATE {table} SET {changes} FROM (VALUES {values}) AS new"  # noqa: S608
        f" WHERE {table}.{quote(fields[0].column)} = new.column1"
    )


def _typed(field: Any) -> str:
    if connection.vendor != "postgresql":
        return "%s"
    if isinstance(field, models.CharField):
        # A cast to varchar(n) would cut off a value that is too long.
        return "%s::text"
    return (
        f"%s::{field.rel_db_type(connection) if field.primary_key else field.db_type(connection)}"
    )
