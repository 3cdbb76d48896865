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


class RemoveForeignKeyIndex(migrations.AlterField):
    """Set `db_index=False` on a foreign key, and drop its index while others write.

    For a key that is the first column of another index. Needs `atomic = False`. A plain AlterField
    waits for a lock without limit, and copies the table on SQLite.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        column = model._meta.get_field(self.name).column
        names = _plain_indexes(schema_editor, model._meta.db_table, column)
        for name in names:
            _execute(schema_editor, f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        table, column = model._meta.db_table, model._meta.get_field(self.name).column
        name = schema_editor._create_index_name(table, [column])  # type: ignore[attr-defined]
        _execute(schema_editor, f'CREATE INDEX CONCURRENTLY "{name}" ON "{table}" ("{column}")')


def _plain_indexes(schema_editor: BaseDatabaseSchemaEditor, table: str, column: str) -> list[str]:
    """The names of the indexes of this column alone that serve no constraint and no pattern."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
    return [
        name
        for name, each in found.items()
        if each["columns"] == [column] and each["index"] and not each["unique"]
        if each.get("type") in (None, "idx", "btree") and not name.endswith("_like")
    ]


def _execute(schema_editor: BaseDatabaseSchemaEditor, sql: str) -> None:
    """Execute the statement on an index, without CONCURRENTLY where it is not possible.

    SQLite has one writer. A migration in a transaction creates its tables itself.
    """
    connection = schema_editor.connection
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        schema_editor.execute(sql.replace(" CONCURRENTLY", ""))
        return
    schema_editor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    schema_editor.execute(sql)
    schema_editor.execute("RESET lock_timeout")


class DropPatternIndexes(migrations.RunPython):
    """Drop the `_like` indexes of the app's tables, which Django creates for `startswith`.

    PostgreSQL alone. `besides` are the columns that are searched by their first characters.
    """

    def __init__(self, app_label: str, besides: Sequence[str] = ()) -> None:
        super().__init__(_drop_patterns(app_label, besides), migrations.RunPython.noop)
        self.app_label, self.besides = app_label, besides

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (type(self).__qualname__, [self.app_label, self.besides], {})


def _drop_patterns(app_label: str, besides: Sequence[str]) -> Callable[..., None]:
    def run(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor != "postgresql":
            return
        _create_deferred_indexes(schema_editor)
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                "SELECT indexrelid::regclass::text, attname FROM pg_index"
                " JOIN pg_opclass ON pg_opclass.oid = indclass[0]"
                " JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
                " WHERE opcname LIKE '%%pattern_ops' AND indnatts = 1 AND NOT indisunique"
                " AND indrelid::regclass::text LIKE %s",
                [f"{app_label}\\_%"],
            )
            names = [name for name, column in cursor.fetchall() if column not in besides]
        for name in names:
            _execute(schema_editor, f"DROP INDEX CONCURRENTLY IF EXISTS {name}")

    return run


def _create_deferred_indexes(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Execute the statements that Django defers to the end of a migration, indexes among them."""
    for statement in schema_editor.deferred_sql:
        schema_editor.execute(statement, None)
    schema_editor.deferred_sql.clear()


class AddTrigramIndexes(migrations.RunPython):
    """Indexes for `icontains` on PostgreSQL, by table; nothing on SQLite.

    Needs `atomic = False` unless the migration itself creates the tables.

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
        for table, names in columns.items():
            change(schema_editor, table, names)

    return run


def _create(schema_editor: BaseDatabaseSchemaEditor, table: str, names: Sequence[str]) -> None:
    parts = ", ".join(f'UPPER("{name}"::text) gin_trgm_ops' for name in names)
    schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    # An interrupted attempt leaves an invalid index.
    _drop(schema_editor, table, names)
    _execute(
        schema_editor,
        f'CREATE INDEX CONCURRENTLY "{table}_search" ON "{table}" USING gin ({parts})',
    )


def _drop(schema_editor: BaseDatabaseSchemaEditor, table: str, names: Sequence[str]) -> None:
    _execute(schema_editor, f'DROP INDEX CONCURRENTLY IF EXISTS "{table}_search"')
