"""The time of the database: the one clock of all machines.

Moments that several machines write and compare come from `now()`. A machine whose clock differs
from the database's is corrected by the measured offset. On SQLite there is one machine and one
clock.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg2
from django.db import DatabaseError, connection
from django.utils import timezone

logger = logging.getLogger(__name__)

_MEASURE_EVERY_SECONDS = 30.0
# A smaller difference does not matter, and is within the error of the measurement.
_TOLERATED = timedelta(milliseconds=500)


class _Measurement(threading.local):
    """The offset that a thread measured last. Each thread has a connection of its own."""

    offset = timedelta(0)
    expires_at = 0.0


_measured = _Measurement()


def now(*, is_fresh: bool = False) -> datetime:
    """The present time by the database's clock. With `is_fresh`, the offset is measured now."""
    return timezone.now() + offset(is_fresh=is_fresh)


def known_now() -> datetime:
    """The present time for pure functions and defaults of fields, by the last measured offset.

    It sends no query: an instance that is not stored needs no connection. The offset is that of
    this thread.
    """
    return timezone.now() + _measured.offset


def offset(*, is_fresh: bool = False) -> timedelta:
    """The time to add to this machine's clock. Measured again every 30 seconds."""
    if (is_fresh or time.monotonic() >= _measured.expires_at) and not _is_in_event_loop():
        _measured.offset = _measure()
        _measured.expires_at = time.monotonic() + _MEASURE_EVERY_SECONDS
    return _measured.offset


def forget() -> None:
    """Measure the offset again at the next call in this thread."""
    _measured.expires_at = 0.0


def _is_in_event_loop() -> bool:
    """Whether the caller runs in an event loop, where Django allows no query."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _measure() -> timedelta:
    if connection.vendor != "postgresql":
        return timedelta(0)
    try:
        connection.ensure_connection()
        # A cursor of the driver: the question is no part of the work that query counts limit.
        with connection.connection.cursor() as cursor:
            before = datetime.now(UTC)
            cursor.execute("SELECT clock_timestamp()")
            answer: datetime = cursor.fetchone()[0]
            after = datetime.now(UTC)
    except (DatabaseError, psycopg2.Error) as error:
        # For example in an aborted transaction. The next call measures again.
        logger.warning("the database's clock could not be read: %s", error)
        return _measured.offset
    measured = answer - (before + (after - before) / 2)
    return measured if abs(measured) > _TOLERATED else timedelta(0)
