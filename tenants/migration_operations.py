"""Operations of migrations for big tables, and the indexes of the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

# A migration waits this long for a lock, while other sessions wait behind it.
LOCK_TIMEOUT = "3s"


class AddIndexWithoutLock(migrations.AddIndex):
    """Create an index while others write. Needs `atomic = False`; on SQLite a plain AddIndex.

    Raises OperationalError if a lock is not free within `LOCK_TIMEOUT`: repeat the migration.
    """

    atomic = False

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        concurrent = AddIndexConcurrently(self.model_name, self.index)
        concurrent.database_forwards(app_label, schema_editor, from_state, to_state)
        schema_editor.execute("RESET lock_timeout")


class AddTrigramIndexes(migrations.RunPython):
    """Indexes for `icontains` on PostgreSQL, by table; nothing on SQLite. Needs `atomic = False`.

    The indexed expression is that of Django's `icontains`, so that every such query uses it. The
    extension pg_trgm is trusted: the owner of the database may create it.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        super().__init__(_for_each(columns, _create), _for_each(columns, _drop))
        self.columns = columns

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (type(self).__qualname__, [self.columns], {})


Change = Callable[[BaseDatabaseSchemaEditor, str, Sequence[str]], None]


def _for_each(columns: Mapping[str, Sequence[str]], change: Change) -> Callable[..., None]:
    def run(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        schema_editor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        for table, names in columns.items():
            change(schema_editor, table, names)
        schema_editor.execute("RESET lock_timeout")

    return run


def _create(schema_editor: BaseDatabaseSchemaEditor, table: str, names: Sequence[str]) -> None:
    parts = ", ".join(f'UPPER("{name}"::text) gin_trgm_ops' for name in names)
    schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    # An interrupted attempt leaves an invalid index.
    _drop(schema_editor, table, names)
    schema_editor.execute(
        f'CREATE INDEX CONCURRENTLY "{table}_search" ON "{table}" USING gin ({parts})'
    )


def _drop(schema_editor: BaseDatabaseSchemaEditor, table: str, names: Sequence[str]) -> None:
    schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{table}_search"')
