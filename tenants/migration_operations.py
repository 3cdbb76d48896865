"""Operations of migrations for big tables."""

from __future__ import annotations

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
