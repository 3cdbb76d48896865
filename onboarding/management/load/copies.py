"""Copies of tenants inside the database: rows with shifted ids, and activity logs of their own."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence

from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.models import Max

from checks.models import Check, Observation, RawAnswers
from onboarding.models import (
    Comment,
    Contact,
    Cutover,
    CutoverDomain,
    DomainProgress,
    Drift,
    Monitoring,
    Phase,
    Plan,
    RequirementsSheet,
    SheetRow,
    Task,
    WaitingPeriod,
)
from tenants.activity import hash_of
from tenants.models import ActivityChain, ActivityLine, Domain, Host, Tenant

# The copied tables, with the path from a row to its tenant.
COPIED: dict[type[models.Model], str] = {
    Tenant: "pk",
    Domain: "tenant",
    Host: "tenant",
    Contact: "tenant",
    Plan: "tenant",
    Phase: "plan__tenant",
    Task: "plan__tenant",
    DomainProgress: "task__plan__tenant",
    RequirementsSheet: "task__plan__tenant",
    SheetRow: "sheet__task__plan__tenant",
    WaitingPeriod: "task__plan__tenant",
    Comment: "plan__tenant",
    Check: "tenant",
    RawAnswers: "tenant",
    Observation: "check_asked__tenant",
    Cutover: "plan__tenant",
    CutoverDomain: "cutover__plan__tenant",
    Monitoring: "tenant",
    Drift: "tenant",
}
# Copies in one statement: more are no faster and take more memory.
_COPIES_AT_ONCE = 50
_LINES_AT_ONCE = 5000


def copy_tenants(sources: Sequence[Tenant], *, total: int) -> None:
    """Copy the tenants in turn until there are `total`. The sources must be the only tenants."""
    strides = {model: model._base_manager.aggregate(top=Max("pk"))["top"] for model in COPIED}
    chains = _source_chains(sources)
    whole, rest = divmod(total, len(sources))
    for first in range(1, whole, _COPIES_AT_ONCE):
        last = min(first + _COPIES_AT_ONCE, whole) - 1
        with transaction.atomic():
            _copy_rows(sources, strides, first, last)
            _copy_chains(chains, strides[Tenant], first, last)
    if rest:
        with transaction.atomic():
            _copy_rows(sources[:rest], strides, whole, whole)
            _copy_chains(chains[:rest], strides[Tenant], whole, whole)
    with connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), [*COPIED]):
            cursor.execute(sql)
        cursor.execute("ANALYZE")


def copied_public_id(public_id: str, number: int) -> str:
    """The public id of the copy with this number; the database computes the same."""
    return hashlib.md5(f"{public_id}:{number}".encode(), usedforsecurity=False).hexdigest()


def _copy_rows(
    sources: Sequence[Tenant], strides: dict[type[models.Model], int | None], first: int, last: int
) -> None:
    with connection.cursor() as cursor:
        for model, path in COPIED.items():
            if strides[model] is None:
                continue
            fields = model._meta.concrete_fields
            columns = ", ".join(f'"{field.column}"' for field in fields)
            values = ", ".join(_value(field, strides) for field in fields)
            rows = model._base_manager.filter(**{f"{path}__in": [t.pk for t in sources]})
            chosen, parameters = rows.order_by().values("pk").query.sql_with_params()
            table = model._meta.db_table
            cursor.execute(
                "WITH RECURSIVE copies(n) AS"  # noqa: S608 - names of our own tables
                " (SELECT %s UNION ALL SELECT n + 1 FROM copies WHERE n < %s)"
                f' INSERT INTO "{table}" ({columns})'
                f' SELECT {values} FROM "{table}" s, copies WHERE s.id IN ({chosen})',
                (first, last, *parameters),
            )


def _value(field: models.Field, strides: dict[type[models.Model], int | None]) -> str:  # type: ignore[type-arg]
    """The SQL expression of a column of a copy."""
    column, model = f's."{field.column}"', field.model
    if field.primary_key:
        return f"{column} + n * {strides[model]}"
    if isinstance(field, models.ForeignKey) and field.related_model in strides:
        return f"{column} + n * {strides[field.related_model] or 0}"
    if field.name == "public_id":
        return f"MD5({column} || ':' || n)"
    if model is Tenant and field.name == "name":
        return f"'Tenant ' || (s.id + n * {strides[Tenant]})"
    if model is Domain and field.name == "name":
        return f"'d' || s.id || '.tenant-' || (s.tenant_id + n * {strides[Tenant]}) || '.example'"
    return column


def _source_chains(sources: Sequence[Tenant]) -> list[tuple[Tenant, list[ActivityLine]]]:
    return [
        (tenant, list(tenant.activity.select_related("actor").order_by("number")))
        for tenant in sources
    ]


def _copy_chains(
    chains: Sequence[tuple[Tenant, list[ActivityLine]]], stride: int | None, first: int, last: int
) -> None:
    """Each copy's log is a hash chain of its own."""
    assert stride is not None
    lines: list[ActivityLine] = []
    heads: list[ActivityChain] = []
    for number in range(first, last + 1):
        for tenant, written in chains:
            scope = copied_public_id(tenant.public_id, number)
            copied = Tenant(pk=tenant.pk + number * stride, public_id=scope)
            before = ""
            for original in written:
                line = copy.copy(original)
                line.pk, line.tenant, line.scope = None, copied, scope
                line.params = _params(original.params, number)
                line.previous_hash = before
                line.hash = before = hash_of(line)
                lines.append(line)
            heads.append(ActivityChain(scope=scope, length=len(written), head=before))
    ActivityLine.objects.bulk_create(lines, batch_size=_LINES_AT_ONCE)
    ActivityChain.objects.bulk_create(heads, batch_size=_LINES_AT_ONCE)


def _params(params: dict[str, object], number: int) -> dict[str, object]:
    if "task_id" not in params:
        return params
    return params | {"task_id": copied_public_id(str(params["task_id"]), number)}
