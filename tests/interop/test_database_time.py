"""The clock of PostgreSQL counts on a machine whose own clock is wrong."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, tzinfo

import pytest
from django.db import connection
from django.utils import timezone

from checks import workers
from checks.models import Worker
from tenants import database_time

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]

REAL = datetime


@pytest.mark.parametrize("hours", [-2, 2])
def test_wrong_clock_is_corrected(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class WrongDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return REAL.now(tz) + timedelta(hours=hours)

    for module in (timezone, database_time):
        monkeypatch.setattr(module, "datetime", WrongDatetime)

    corrected = database_time.now(is_fresh=True)
    workers.report("checks@test", queues=["checks.default"], processes=2, started_at=corrected)
    monkeypatch.undo()
    database_time.now(is_fresh=True)

    assert abs(corrected - timezone.now()) < timedelta(seconds=5)
    worker = Worker.objects.get()
    assert round(worker.clock_skew / 3600) == hours
    assert workers.processes_by_queue(now=timezone.now()) == {"checks.default": 2}


def test_small_difference_is_not_corrected() -> None:
    assert database_time.offset(is_fresh=True) == timedelta(0)


def test_dead_worker_serves_no_queue() -> None:
    workers.report("a", queues=["mail"], processes=1, started_at=timezone.now())

    later = timezone.now() + workers.ALIVE_FOR + timedelta(seconds=1)

    assert workers.processes_by_queue(now=later) == {}


def test_time_in_an_event_loop_needs_no_query() -> None:
    """The checks of a dry run are built in an event loop, where Django allows no query."""

    async def now() -> datetime:
        return database_time.now(is_fresh=True)

    assert abs(asyncio.run(now()) - timezone.now()) < timedelta(seconds=5)
