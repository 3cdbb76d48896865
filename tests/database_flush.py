"""Empties only the tables that have rows, after a test with commits on PostgreSQL.

Django truncates all tables. PostgreSQL then creates new files for each of them and for its indexes,
which takes a second, and most of these tests fill a few tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection


def filled_tables(tables: Sequence[str]) -> list[str]:
    """The tables that have at least one row, in the given order."""
    queries = [
        f"SELECT {n} WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(table)})"  # noqa: S608 - names of our own tables
        for n, table in enumerate(tables)
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(queries))
        return [tables[n] for n in sorted(n for (n,) in cursor.fetchall())]


@pytest.fixture(scope="session", autouse=True)
def empty_filled_tables_only() -> Iterator[None]:
    """The statements run in one transaction, and PostgreSQL checks foreign keys at its end."""
    if connection.vendor != "postgresql":
        yield
        return
    operations = type(connection.ops)
    truncate = operations.sql_flush

    def delete(self: Any, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        if not tables or options.get("reset_sequences"):
            return truncate(self, style, tables, **options)
        return [f"DELETE FROM {self.quote_name(table)}" for table in filled_tables(tables)]  # noqa: S608 - names of our own tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "sql_flush", delete)
        yield
