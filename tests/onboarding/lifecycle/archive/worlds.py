"""A tenant with a row in every archived table, and archives as bytes and as editable values."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from checks.models import Check, SubmittedExport, SubmittedMessage
from onboarding.cutovers.snapshots import digest_of
from onboarding.lifecycle import erasure
from onboarding.lifecycle.archive.format import ArchivedRow, first_line, line_of
from onboarding.lifecycle.archive.importing import import_archive
from onboarding.lifecycle.archive.tables import FILE_ORDER
from onboarding.lifecycle.archive.writer import write_archive
from onboarding.models import (
    Cutover,
    CutoverDecision,
    CutoverSnapshot,
    CutoverVote,
    Reminder,
    RequirementsSheet,
    Task,
    TlsPartnerCheck,
    WorkingTime,
)
from tenants.models import Host, Tenant, User
from tests.action_world import create_world
from tests.factories import MakeTenant

Tables = dict[str, list[dict[str, Any]]]


def rich_tenant(make_tenant: MakeTenant) -> tuple[Tenant, User]:
    """A tenant with an object of each kind, and an administrator."""
    world = create_world(make_tenant)
    administrator, owner = world.people["staff"], world.people["client"]
    tenant = Tenant.objects.get(pk=world.tenant.pk)
    now = timezone.now()
    tasks = Task.objects.filter(plan__tenant=tenant)
    WorkingTime.objects.create(tenant=tenant, weekdays="0123")
    Host.objects.filter(tenant=tenant).update(consented_at=now, consented_by=administrator)
    reminder = Reminder.objects.create(plan=tenant.plan, recipient=owner, sent_at=now)
    reminder.tasks.set(tasks[:2])
    tasks[0].comments.create(plan=tenant.plan, author=owner, body="@Ad").mentions.add(administrator)
    sheet = RequirementsSheet.objects.get(task__plan__tenant=tenant, kind="tls-partners")
    TlsPartnerCheck.objects.create(
        sheet=sheet, domain="partner.test", requested_at=now, checked_at=now
    )
    SubmittedExport.objects.create(
        tenant=tenant,
        source="exchange_online",
        size=2,
        sha256="00" * 32,
        tables={"accepted_domains": []},
        obtained_at=now,
        submitted_by=owner,
        read_at=now,
    )
    SubmittedMessage.objects.create(
        check_asked=Check.objects.get(tenant=tenant, kind="message"),
        size=10,
        sha256="0" * 64,
        submitted_by=owner,
        finished_at=now,
    )
    _decide(Cutover.objects.get(plan__tenant=tenant), by=owner)
    return tenant, administrator


def _decide(cutover: Cutover, *, by: User) -> None:
    start, content = cutover.planned_at, {"rows": [{"key": "mx", "seen": 1.5}], "ß": None}
    made = {"cutover": cutover, "window_start": start, "content": content}
    CutoverSnapshot.objects.create(**made, reason="requested", digest=digest_of(content))
    CutoverDecision.objects.create(
        **made, is_go=True, decided_at=start - timedelta(hours=1), digest=digest_of(content)
    )
    CutoverVote.objects.create(
        cutover=cutover, window_start=start, side="client", by=by, is_go=True, comment="Go."
    )


def archive_of(tenant: Tenant) -> bytes:
    written = io.BytesIO()
    write_archive(tenant, written.write)
    return written.getvalue()


def imported(archive: bytes, by: User | None = None) -> Tenant:
    return import_archive(io.BytesIO(archive), sha256=hashlib.sha256(archive).hexdigest(), by=by)


def erased(tenant: Tenant, by: User) -> None:
    erasure.erase_tenant(tenant, typed=tenant.name, by=by)


def tables_of(archive: bytes) -> Tables:
    tables = json.loads(archive)["tables"]
    return {name: [each["row"] for each in rows] for name, rows in tables.items()}


def edited(archive: bytes, edit: Callable[[Tables], object]) -> bytes:
    """The archive of a person who changes values and computes all plain digests again."""
    tables = tables_of(archive)
    edit(tables)
    text = first_line()
    names = [name for name in tables if name not in FILE_ORDER]
    for name in (*FILE_ORDER, *names):
        rows = [
            line_of(ArchivedRow(name, number, row))
            for number, row in enumerate(tables.get(name, []), start=1)
        ]
        is_last = name == (*FILE_ORDER, *names)[-1]
        text += f'"{name}":[\n' + ",\n".join(rows) + ("\n" if rows else "")
        text += "]\n" if is_last else "],\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (text + f'}},"sha256":"{digest}"}}\n').encode()
