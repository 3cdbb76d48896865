"""Copies of new tenants: a third of the unit tests' time would go into creating the same tenant.

The first tenant with given values is created by the service. Its rows are recorded, and later
tenants with these values are copies with identifiers and times of their own.
`test_copy_equals_created_tenant` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models
from django.utils import timezone

from checks.models import Check
from onboarding.models import (
    Phase,
    Plan,
    RequirementsSheet,
    SheetRow,
    Task,
    WaitingPeriod,
)
from onboarding.requirements.validation import text_of
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Tenant
from tenants.services import write_activity

# In the order of their foreign keys. The activity line is written, because its hash is its own.
COPIED = (
    *(Tenant, Domain, Host, Check, Plan, Phase, Task),
    *(RequirementsSheet, SheetRow, WaitingPeriod),
)
_TENANT_NAME = Tenant._meta.get_field("name")
_MAX_PARAMETERS = 30_000

Row = tuple[Any, ...]
Ids = dict[type[models.Model], dict[int, int]]


@dataclass(frozen=True)
class RecordedTable:
    model: type[models.Model]
    fields: Sequence[models.Field[Any, Any]]
    rows: Sequence[Row]


@dataclass(frozen=True)
class RecordedTenant:
    tables: Sequence[RecordedTable]
    domains: Sequence[str]


def record(tenant: Tenant) -> RecordedTenant:
    """The rows of a tenant that was created just now."""
    tables: list[RecordedTable] = []
    ids: dict[type[models.Model], list[int]] = {Tenant: [tenant.pk]}
    for model in COPIED:
        fields = model._meta.concrete_fields
        rows = list(_rows_of(model, fields, ids))
        ids[model] = [row[0] for row in rows]
        tables.append(RecordedTable(model, fields, rows))
    names = Domain.objects.filter(tenant=tenant).order_by("pk").values_list("name", flat=True)
    return RecordedTenant(tables, list(names))


def _rename_answers(tenant: Tenant) -> None:
    """Prefilled answers contain the name of the tenant."""
    rows = SheetRow.objects.filter(
        sheet__task__plan__tenant=tenant, key="company", source="profile"
    )
    for row in rows:
        row.values = row.values | {"answer": tenant.name}
        row.text = text_of(row.values)
        row.save()


def copy_of(recorded: RecordedTenant, name: str) -> Tenant:
    """Insert the recorded rows with the name and new ids, public ids and times."""
    ids: Ids = {}
    now = timezone.now()
    with connection.cursor() as cursor:
        for table in recorded.tables:
            ids[table.model] = {}
            for rows in _generations(table):
                _insert(cursor, table, rows, ids, now, name)
    (pk,) = ids[Tenant].values()
    tenant = Tenant.objects.get(pk=pk)
    _rename_answers(tenant)
    write_activity(tenant, ActivityName.TENANT_CREATED, by=None, domains=list(recorded.domains))
    return tenant


def _rows_of(
    model: type[models.Model],
    fields: Sequence[models.Field[Any, Any]],
    ids: dict[type[models.Model], list[int]],
) -> Iterator[Row]:
    by = next((f for f in fields if f.related_model in ids), fields[0])
    parents = ids[by.related_model if by.related_model in ids else model]
    if not parents:
        return
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join("%s" for _ in parents)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT {columns} FROM {table} WHERE "{by.column}" IN ({marks}) ORDER BY id',  # noqa: S608 - names of our own tables
            parents,
        )
        yield from cursor.fetchall()


def _generations(table: RecordedTable) -> Iterator[list[Row]]:
    """The rows, parents before their children."""
    places = [n for n, f in enumerate(table.fields) if f.related_model is table.model]
    left, known = list(table.rows), set[int]()
    while left:
        ready = [row for row in left if all(row[n] is None or row[n] in known for n in places)]
        known |= {row[0] for row in ready}
        left = [row for row in left if row[0] not in known]
        yield ready


def _insert(
    cursor: Any, table: RecordedTable, rows: Sequence[Row], ids: Ids, now: datetime, name: str
) -> None:
    fields = table.fields[1:]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = f"({', '.join('%s' for _ in fields)})"
    size = _MAX_PARAMETERS // len(fields)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        new = [
            name if field is _TENANT_NAME else _new_value(field, value, ids, now)
            for row in part
            for field, value in zip(fields, row[1:], strict=True)
        ]
        cursor.execute(
            f"INSERT INTO {table.model._meta.db_table} ({columns})"  # noqa: S608 - names of our own tables
            f" VALUES {', '.join([marks] * len(part))} RETURNING id",
            new,
        )
        made = (pk for (pk,) in cursor.fetchall())
        ids[table.model] |= dict(zip((row[0] for row in part), made, strict=True))


def _new_value(field: models.Field[Any, Any], value: Any, ids: Ids, now: datetime) -> Any:
    if value is None:
        return None
    if field.related_model in ids:
        return ids[field.related_model][value]
    if field.name == "public_id":
        return field.get_default()
    if isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value(now)
    return value
