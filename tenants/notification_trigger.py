"""The trigger that reports changed notifications of a person to the stream process (PostgreSQL).

As for plans, PostgreSQL sends the report with the commit, and equal reports of a transaction once.

A migration imports `switch_on` and `switch_off`: do not rename or move them.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

CHANNEL = "gangway_notifications"
_TRIGGER = "notification_change_is_sent"
_FUNCTION = "notify_notification_change"
_ON = (
    f"""
    CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger AS $$
    BEGIN
        PERFORM pg_notify('{CHANNEL}', COALESCE(NEW.recipient_id, OLD.recipient_id)::text);
        RETURN NULL;
    END $$ LANGUAGE plpgsql
    """,
    f"""
    CREATE TRIGGER {_TRIGGER} AFTER INSERT OR DELETE OR UPDATE OF read_at ON tenants_notification
    FOR EACH ROW EXECUTE FUNCTION {_FUNCTION}()
    """,
)
_OFF = (
    f"DROP TRIGGER IF EXISTS {_TRIGGER} ON tenants_notification",
    f"DROP FUNCTION IF EXISTS {_FUNCTION}()",
)


def switch_on(connection: BaseDatabaseWrapper) -> None:
    switch_off(connection)
    _execute(connection, _ON)


def switch_off(connection: BaseDatabaseWrapper) -> None:
    _execute(connection, _OFF)


def _execute(connection: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
