"""Copies of new tenants: a third of the unit tests' time would go into creating the same tenant.

The first tenant with given values is created by the service. Its rows are recorded, and later
tenants with these values are copies with identifiers and times of their own.
`test_copy_equals_created_tenant` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
from tenants.models import Domain, Host, Tenant, User
from tenants.services import write_activity

# In the order of their foreign keys. The activity line is written, because its hash is its own.
COPIED = (
    *(Tenant, Domain, Host, Check, Plan, Phase, Task),
    *(RequirementsSheet, SheetRow, WaitingPeriod),
)
_MAX_PARAMETERS = 30_000

Row = tuple[Any, ...]
Ids = dict[type[models.Model], dict[int, int]]


@dataclass(frozen=True)
class RecordedTable:
    """The rows of one model, without their ids. `generations` has parents before their children."""

    model: type[models.Model]
    columns: str
    generations: Sequence[Sequence[tuple[int, Row]]]
    # Places of the values that each copy has for itself.
    parents: Sequence[tuple[int, type[models.Model]]]
    public_ids: Sequence[tuple[int, models.Field[Any, Any]]]
    times: Sequence[int]
    # Places of the name and the consultant of the tenant.
    own: Mapping[str, int]


@dataclass(frozen=True)
class RecordedTenant:
    tables: Sequence[RecordedTable]
    domains: Sequence[str]


def record(tenant: Tenant) -> RecordedTenant:
    """The rows of a tenant that was created just now."""
    tables: list[RecordedTable] = []
    ids: dict[type[models.Model], list[int]] = {Tenant: [tenant.pk]}
    for model in COPIED:
        rows = list(_rows_of(model, model._meta.concrete_fields, ids))
        ids[model] = [row[0] for row in rows]
        tables.append(_recorded(model, rows))
    names = Domain.objects.filter(tenant=tenant).order_by("pk").values_list("name", flat=True)
    return RecordedTenant(tables, list(names))


def _recorded(model: type[models.Model], rows: Sequence[Row]) -> RecordedTable:
    fields = model._meta.concrete_fields[1:]
    places = list(enumerate(fields))
    return RecordedTable(
        model,
        ", ".join(f'"{field.column}"' for field in fields),
        [[(row[0], row[1:]) for row in each] for each in _generations(model, rows)],
        [(n, f.related_model) for n, f in places if f.related_model in COPIED],
        [(n, f) for n, f in places if f.name == "public_id"],
        [n for n, f in places if isinstance(f, models.DateTimeField)],
        {f.name: n for n, f in places if model is Tenant and f.name in ("name", "consultant")},
    )


def _rename_answers(tenant: Tenant) -> None:
    """Prefilled answers contain the name of the tenant."""
    rows = SheetRow.objects.filter(
        sheet__task__plan__tenant=tenant, key="company", source="profile"
    )
    for row in rows:
        row.values = row.values | {"answer": tenant.name}
        row.text = text_of(row.values)
        row.save()


def copy_of(recorded: RecordedTenant, name: str, consultant: User | None = None) -> Tenant:
    """Insert the recorded rows with the name, the consultant, and new ids, public ids and times."""
    ids: Ids = {}
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    own = {"name": name, "consultant": consultant and consultant.pk}
    with connection.cursor() as cursor:
        for table in recorded.tables:
            ids[table.model] = {}
            for rows in table.generations:
                new = [_new_row(table, row, ids, now, own) for _, row in rows]
                made = _insert(cursor, table, new)
                ids[table.model] |= dict(zip((pk for pk, _ in rows), made, strict=True))
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


def _generations(model: type[models.Model], rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows, parents before their children."""
    fields = model._meta.concrete_fields
    places = [n for n, field in enumerate(fields) if field.related_model is model]
    left, known = list(rows), set[int]()
    while left:
        ready = [row for row in left if all(row[n] is None or row[n] in known for n in places)]
        known |= {row[0] for row in ready}
        left = [row for row in left if row[0] not in known]
        yield ready


def _new_row(
    table: RecordedTable, row: Row, ids: Ids, now: object, own: Mapping[str, object]
) -> list[Any]:
    new = list(row)
    for place, model in table.parents:
        if new[place] is not None:
            new[place] = ids[model][new[place]]
    for place, field in table.public_ids:
        new[place] = field.get_default()
    for place in table.times:
        if new[place] is not None:
            new[place] = now
    for name, place in table.own.items():
        new[place] = own[name]
    return new


def _insert(cursor: Any, table: RecordedTable, rows: Sequence[list[Any]]) -> Iterator[int]:
    """Insert the rows. Yields their ids."""
    marks = f"({', '.join(['%s'] * len(rows[0]))})"
    size = _MAX_PARAMETERS // len(rows[0])
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        cursor.execute(
            f"INSERT INTO {table.model._meta.db_table} ({table.columns})"  # noqa: S608 - names of our own tables
            f" VALUES {', '.join([marks] * len(part))} RETURNING id",
            list(chain.from_iterable(part)),
        )
        yield from (pk for (pk,) in cursor.fetchall())
