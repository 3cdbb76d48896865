"""The trigger that notifies the stream process of each new revision of a plan (PostgreSQL).

PostgreSQL sends the notification with the commit of the transaction, never before it and never for
a transaction that is rolled back. SQLite has no notifications: the stream process reads there.

A migration imports `switch_on` and `switch_off`: do not rename or move them.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

CHANNEL = "gangway_revisions"
_ON = (
    f"""
    CREATE OR REPLACE FUNCTION notify_plan_revision() RETURNS trigger AS $$
    BEGIN
        PERFORM pg_notify('{CHANNEL}', NEW.tenant_id || ':' || NEW.revision);
        RETURN NULL;
    END $$ LANGUAGE plpgsql
    """,
    """
    CREATE TRIGGER plan_revision_is_sent AFTER UPDATE OF revision ON onboarding_plan
    FOR EACH ROW EXECUTE FUNCTION notify_plan_revision()
    """,
)
_OFF = (
    "DROP TRIGGER IF EXISTS plan_revision_is_sent ON onboarding_plan",
    "DROP FUNCTION IF EXISTS notify_plan_revision()",
)


def switch_on(connection: BaseDatabaseWrapper) -> None:
    switch_off(connection)
    _execute(connection, _ON)


def switch_off(connection: BaseDatabaseWrapper) -> None:
    _execute(connection, _OFF)


def read_notification(payload: str) -> tuple[int, int]:
    """The tenant id and the revision of a notification."""
    tenant_id, _, revision = payload.partition(":")
    return int(tenant_id), int(revision)


def _execute(connection: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
