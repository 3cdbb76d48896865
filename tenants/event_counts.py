"""Counts of operational events, such as a rate limit that one process counts alone.

An event is counted in the process and stored at the end of the request, because it may happen
inside a transaction that is rolled back. The page of the workers shows the stored numbers.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

from django.core.signals import request_finished
from django.db import DatabaseError, models
from django.db.models import F

from tenants import database_time
from tenants.models import EventCount

logger = logging.getLogger(__name__)


class Event(models.TextChoices):
    RATE_LIMIT_IN_PROCESS = "rate-limit-in-process", "Rate limits counted in one process"
    BROKER_MISSING = "broker-missing", "Messages that waited for the broker"
    UNKNOWN_TASK = "unknown-task", "Messages of a task that this version does not have"


_lock = threading.Lock()
_counted: Counter[str] = Counter()


def count(event: Event) -> None:
    with _lock:
        _counted[event.value] += 1


def discard() -> None:
    """Forget the events that are not stored yet."""
    with _lock:
        _counted.clear()


def store(**_: Any) -> None:
    """Add the events of this process to the stored numbers. Without a database they are kept."""
    with _lock:
        counted = dict(_counted)
        _counted.clear()
    for name, number in counted.items():
        try:
            _increase(name, number)
        except DatabaseError as error:
            logger.warning("the count of %s was not stored: %s", name, error)
            with _lock:
                _counted[name] += number


def _increase(name: str, number: int) -> None:
    now = database_time.now()
    rows = EventCount.objects.filter(name=name)
    if not rows.update(number=F("number") + number, last_at=now):
        EventCount.objects.bulk_create([EventCount(name=name, last_at=now)], ignore_conflicts=True)
        rows.update(number=F("number") + number, last_at=now)


request_finished.connect(store)


def stored() -> list[tuple[str, EventCount | None]]:
    """The label of each event with its stored count; None if it never happened."""
    found = {row.name: row for row in EventCount.objects.all()}
    return [(event.label, found.get(event.value)) for event in Event]
