"""Database triggers that reject an update or a deletion of activity lines.

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
    _execute(connection, _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE)


def switch_off(connection: BaseDatabaseWrapper) -> None:
    _execute(connection, _POSTGRESQL_OFF if connection.vendor == "postgresql" else _SQLITE_OFF)


def _execute(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
