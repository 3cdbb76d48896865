"""The CSV file of the dashboard: sent at once for few tenants, made by a worker for many.

The file and the progress of the worker are in the cache, because both are derived and short-lived.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import QueryDict

from onboarding.portfolio import filters
from onboarding.portfolio.dashboard_rows import CSV_COLUMNS, dashboard_rows
from onboarding.portfolio.queries import with_plan
from tenants.models import Tenant, User
from tenants.queries import tenants_for

# A new row takes up to 20 ms, so that a request ends within 3 s.
MOST_AT_ONCE = 150
# The number of tenants that are read and written at once.
PART = 50
# How long a finished file can be downloaded. The next request makes a new one.
FILE_SECONDS = 300
# The outbox repeats a message that the broker loses, so that a file may wait long for its worker.
WAITS_SECONDS = 1800
# A worker reports after each part. After a longer silence the file is queued again.
LOST_AFTER_SECONDS = 120


@dataclass(frozen=True)
class CsvExport:
    """The progress of a worker, and the file once it is complete."""

    done: int
    total: int
    text: str = ""

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total


def is_sent_at_once(tenants: QuerySet[Tenant]) -> bool:
    """Whether the list is short, or the workers share no cache with this process."""
    return not settings.REDIS_URL or tenants.count() <= MOST_AT_ONCE


def chosen_tenants(user: User, query: QueryDict) -> QuerySet[Tenant]:
    """The tenants of the dashboard with these filters."""
    found: QuerySet[Tenant] = filters.TenantFilter(query, queryset=tenants_for(user)).qs
    return found


def csv_lines(tenants: QuerySet[Tenant]) -> Iterator[str]:
    """The heading, and the lines of each part. The memory of a part is that of one page."""
    writer = csv.writer(_Lines())
    yield writer.writerow(CSV_COLUMNS)
    ids = list(tenants.values_list("pk", flat=True))
    for at in range(0, len(ids), PART):
        part = ids[at : at + PART]
        found = {each.pk: each for each in with_plan(tenants.filter(pk__in=part))}
        # A tenant that was erased in the meantime is left out.
        chosen = [found[pk] for pk in part if pk in found]
        yield "".join(writer.writerow(row.cells) for row in dashboard_rows(chosen))


class _Lines:
    """A file for `csv.writer` whose `write` returns the line."""

    def write(self, line: str) -> str:
        return line


def begin_export(user: User, query: str, total: int) -> bool:
    """Whether the caller must queue the file: no worker makes it, and none is ready."""
    return bool(cache.add(_key(user, query), CsvExport(0, total), timeout=WAITS_SECONDS))


def export_of(user: User, query: str) -> CsvExport | None:
    found: CsvExport | None = cache.get(_key(user, query))
    return found


def make_export(user: User, query: str) -> None:
    """Make the file unless it is ready, and report the progress after each part."""
    known = export_of(user, query)
    if known is not None and known.text:
        return
    tenants = chosen_tenants(user, QueryDict(query))
    key, total = _key(user, query), max(tenants.count(), 1)
    parts: list[str] = []
    for text in csv_lines(tenants):
        parts.append(text)
        done = min(PART * (len(parts) - 1), total)
        cache.set(key, CsvExport(done, total), timeout=LOST_AFTER_SECONDS)
    cache.set(key, CsvExport(total, total, "".join(parts)), timeout=FILE_SECONDS)


def _key(user: User, query: str) -> str:
    """A changed role sees other tenants."""
    facts = [settings.VERSION, user.pk, user.staff_role, query]
    return f"dashboard-csv:{hashlib.sha256(repr(facts).encode()).hexdigest()}"
