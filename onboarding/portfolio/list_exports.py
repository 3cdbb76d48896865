"""The files of the dashboard and of the list of tenants, as CSV and XLSX.

A request sends the file of few tenants at once. For many, a worker makes it: no request computes
the rows of all tenants. The file and the progress of the worker are in the cache, because both are
derived and short-lived.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db.models import QuerySet
from django.http import QueryDict

from onboarding.portfolio import filters
from onboarding.portfolio.dashboard_rows import CSV_COLUMNS, dashboard_rows
from onboarding.portfolio.export_formats import XLSX
from onboarding.portfolio.queries import with_plan
from onboarding.portfolio.row_cache import CachedRow
from onboarding.portfolio.tenant_list.list_state import ListState, state_of
from onboarding.portfolio.tenant_list.rows import (
    FILE_COLUMNS,
    STAFF_FILE_COLUMNS,
    file_rows,
)
from onboarding.portfolio.tenant_list.saved_views import views_for
from onboarding.requirements.cell_types import FORMULA_STARTS
from onboarding.requirements.xlsx_writer import stream_workbook
from tenants.models import Membership, Tenant, User
from tenants.queries import staffed_ids, tenants_for, tenants_staffed_by

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
class ExportedList:
    """A list of tenants that can be a file. `rows` computes the rows of one part."""

    title: str
    file_name: str
    columns: Sequence[str]
    tenants: Callable[[User, QueryDict], QuerySet[Tenant]]
    rows: Callable[[Sequence[Tenant]], list[CachedRow]]
    # Empty for a tenant in which the reader has no staff role.
    staff_columns: frozenset[str] = frozenset()


def _of_dashboard(user: User, query: QueryDict) -> QuerySet[Tenant]:
    found: QuerySet[Tenant] = filters.TenantFilter(query, queryset=tenants_staffed_by(user)).qs
    return found


def _of_tenant_list(user: User, query: QueryDict) -> QuerySet[Tenant]:
    return _state(user, query).tenants


def _state(user: User, query: QueryDict) -> ListState:
    return state_of(user, query, tenants_for(user), list(views_for(user)))


DASHBOARD, TENANT_LIST = "dashboard", "tenants"
LISTS = {
    DASHBOARD: ExportedList(
        "Cutover dashboard",
        "gangway-cutovers",
        CSV_COLUMNS,
        _of_dashboard,
        dashboard_rows,
    ),
    TENANT_LIST: ExportedList(
        "Tenants",
        "gangway-tenants",
        FILE_COLUMNS,
        _of_tenant_list,
        file_rows,
        STAFF_FILE_COLUMNS,
    ),
}


@dataclass(frozen=True)
class ExportRequest:
    """A file that a person requests: the list, its query string and the format."""

    user: User
    kind: str
    query: str
    ending: str

    @property
    def list(self) -> ExportedList:
        return LISTS[self.kind]

    @property
    def tenants(self) -> QuerySet[Tenant]:
        return self.list.tenants(self.user, QueryDict(self.query))

    @property
    def file_name(self) -> str:
        return f"{self.list.file_name}.{self.ending}"

    @property
    def key(self) -> str:
        """It changes with the access of the person, and with a saved view that the query names."""
        followed = sorted(person.pk for person in self.user.followed_consultants.all())
        memberships = Membership.objects.filter(user=self.user).order_by("pk").values_list("tenant")
        facts = [settings.VERSION, self.user.pk, self.user.staff_role, followed, list(memberships)]
        if self.kind == TENANT_LIST:
            facts.append(_state(self.user, QueryDict(self.query)).query)
        facts += [self.kind, self.query, self.ending]
        return f"list-export:{hashlib.sha256(repr(facts).encode()).hexdigest()}"


@dataclass(frozen=True)
class ListFile:
    """The progress of a worker, and the file once it is complete."""

    done: int
    total: int
    content: bytes = b""

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total


def is_sent_at_once(tenants: QuerySet[Tenant]) -> bool:
    """Whether the list is short, or the workers share no cache with this process."""
    return not settings.REDIS_URL or tenants.count() <= MOST_AT_ONCE


def file_chunks(
    exported: ExportedList,
    tenants: QuerySet[Tenant],
    ending: str,
    *,
    user: User,
    report: Callable[[int], None] = lambda done: None,
) -> Iterator[bytes]:
    """The file for a person. The memory of a part is that of one page. `report` gets the written
    tenants."""
    rows = _rows(exported, tenants, user, report)
    if ending == XLSX:
        yield from stream_workbook(exported.title, rows)
        return
    writer = csv.writer(_Lines())
    for row in rows:
        yield str(writer.writerow(map(_csv_cell, row))).encode()


def _rows(
    exported: ExportedList,
    tenants: QuerySet[Tenant],
    user: User,
    report: Callable[[int], None],
) -> Iterator[Sequence[str]]:
    """The heading and the rows."""
    yield exported.columns
    ids = list(tenants.values_list("pk", flat=True))
    for at in range(0, len(ids), PART):
        part = ids[at : at + PART]
        found = {each.pk: each for each in with_plan(Tenant.objects.filter(pk__in=part))}
        # A tenant that was erased in the meantime is left out.
        shown = [found[pk] for pk in part if pk in found]
        staffed = staffed_ids(user, shown)
        for tenant, row in zip(shown, exported.rows(shown), strict=True):
            yield row.cells if tenant.pk in staffed else _without_staff_cells(exported, row)
        report(min(at + PART, len(ids)))


def _without_staff_cells(exported: ExportedList, row: CachedRow) -> list[str]:
    cells = zip(exported.columns, row.cells, strict=True)
    return ["" if column in exported.staff_columns else cell for column, cell in cells]


class _Lines:
    """A file for `csv.writer` whose `write` returns the line."""

    def write(self, line: str) -> str:
        return line


def _csv_cell(text: str) -> str:
    """A cell that a spreadsheet does not evaluate as a formula. In XLSX every cell is text."""
    is_negative_number = text.startswith("-") and text.isascii() and text[1:].isdecimal()
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not is_negative_number else text


# --- Files that a worker makes


def begin_export(wanted: ExportRequest, total: int) -> bool:
    """Whether the caller must queue the file: no worker makes it, and none is ready."""
    return bool(cache.add(wanted.key, ListFile(0, total), timeout=WAITS_SECONDS))


def export_of(wanted: ExportRequest) -> ListFile | None:
    found: ListFile | None = cache.get(wanted.key)
    return found


def make_export(wanted: ExportRequest) -> None:
    """Make the file unless it is ready, and report the progress after each part."""
    known = export_of(wanted)
    if known is not None and known.content:
        return
    tenants = wanted.tenants
    key, total = wanted.key, max(tenants.count(), 1)

    def report(done: int) -> None:
        cache.set(key, ListFile(min(done, total), total), timeout=LOST_AFTER_SECONDS)

    chunks = file_chunks(wanted.list, tenants, wanted.ending, user=wanted.user, report=report)
    content = b"".join(chunks)
    cache.set(key, ListFile(total, total, content), timeout=FILE_SECONDS)


def selection_chunks(tenants: Iterable[Tenant], ending: str, *, user: User) -> Iterator[bytes]:
    """The file of the list with a few selected tenants."""
    chosen = Tenant.objects.filter(pk__in=[tenant.pk for tenant in tenants])
    return file_chunks(LISTS[TENANT_LIST], chosen, ending, user=user)
