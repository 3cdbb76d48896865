"""Database triggers that reject an update or a deletion of activity lines.

The transaction of an erasure creates a permit (ErasurePermit). It allows the deletion of the lines
of one tenant, and other parameters in lines of the installation's log, but no other change.

Migrations import `switch_on` and `switch_off`: do not rename or move them.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION refuse_activity_change() RETURNS trigger AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT 1 FROM tenants_erasurepermit WHERE tenant_id = OLD.tenant_id) THEN
                RETURN OLD;
            END IF;
        ELSIF TG_OP = 'UPDATE' THEN
            IF OLD.tenant_id IS NULL AND EXISTS (SELECT 1 FROM tenants_erasurepermit)
                AND to_jsonb(NEW) - 'params' = to_jsonb(OLD) - 'params' THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'the activity log is append-only';
    END $$ LANGUAGE plpgsql
    """,
    """
    CREATE TRIGGER activity_is_append_only BEFORE UPDATE OR DELETE ON tenants_activityline
    FOR EACH ROW EXECUTE FUNCTION refuse_activity_change()
    """,
    """
    CREATE TRIGGER activity_is_not_truncated BEFORE TRUNCATE ON tenants_activityline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_activity_change()
    """,
)
_POSTGRESQL_OFF = (
    "DROP TRIGGER IF EXISTS activity_is_append_only ON tenants_activityline",
    "DROP TRIGGER IF EXISTS activity_is_not_truncated ON tenants_activityline",
    "DROP FUNCTION IF EXISTS refuse_activity_change()",
)
_SQLITE = (
    """
    CREATE TRIGGER activity_is_not_updated BEFORE UPDATE ON tenants_activityline
    WHEN NOT (
        OLD.tenant_id IS NULL AND EXISTS (SELECT 1 FROM tenants_erasurepermit) AND {equal_columns}
    )
    BEGIN SELECT RAISE(ABORT, 'the activity log is append-only'); END
    """,
    """
    CREATE TRIGGER activity_is_not_deleted BEFORE DELETE ON tenants_activityline
    WHEN NOT EXISTS (SELECT 1 FROM tenants_erasurepermit WHERE tenant_id = OLD.tenant_id)
    BEGIN SELECT RAISE(ABORT, 'the activity log is append-only'); END
    """,
)
_SQLITE_OFF = (
    "DROP TRIGGER IF EXISTS activity_is_not_updated",
    "DROP TRIGGER IF EXISTS activity_is_not_deleted",
)


def switch_on(connection: BaseDatabaseWrapper) -> None:
    switch_off(connection)
    if connection.vendor == "postgresql":
        _execute(connection, _POSTGRESQL)
        return
    # The columns at this point of the migrations: SQLite rejects a trigger that names others.
    with connection.cursor() as cursor:
        table = connection.introspection.get_table_description(cursor, "tenants_activityline")
    names = [column.name for column in table if column.name != "params"]
    equal = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in names)
    _execute(connection, [sql.replace("{equal_columns}", equal) for sql in _SQLITE])


def switch_off(connection: BaseDatabaseWrapper) -> None:
    _execute(connection, _POSTGRESQL_OFF if connection.vendor == "postgresql" else _SQLITE_OFF)


def _execute(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
