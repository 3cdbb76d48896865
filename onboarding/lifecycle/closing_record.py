"""The record of a closed tenant: its end, the people who signed, and the accepted risks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import AcceptedResidualRisk, Task, TaskRole
from onboarding.plans.closing_facts import acceptances_of
from tenants.activity_names import ActivityName
from tenants.models import ActivityLine, Tenant, User


@dataclass(frozen=True)
class Signature:
    """The sign-off of one side. `by` is None if the person is unknown, as in an imported tenant."""

    side: str
    by: User | None
    at: datetime


@dataclass(frozen=True)
class RecordedRisk:
    """A residual risk that was accepted. `is_over`: the time that it named has passed."""

    acceptance: AcceptedResidualRisk
    is_over: bool


@dataclass(frozen=True)
class ClosingRecord:
    """`reason` and `closed_by` are those of a tenant that was closed before its completion."""

    signatures: Sequence[Signature]
    risks: Sequence[RecordedRisk]
    reason: str = ""
    closed_by: User | None = None


def closing_record(tenant: Tenant, tasks: Sequence[Task], *, now: datetime) -> ClosingRecord:
    """The record of a closed tenant with these tasks. Two queries at most."""
    risks = [
        RecordedRisk(each, each.ends_at is not None and each.ends_at <= now)
        for each in acceptances_of(tenant)
    ]
    if tenant.completed_at is not None:
        return ClosingRecord(_signatures(tasks), risks)
    line = _closing_line(tenant)
    if line is None:
        return ClosingRecord((), risks)
    return ClosingRecord((), risks, str(line.display_params.get("reason", "")), line.actor)


def _signatures(tasks: Sequence[Task]) -> list[Signature]:
    closure = next((task for task in tasks if task.role == TaskRole.CLOSURE), None)
    if closure is None:
        return []
    signed = (
        Signature("mimecast", closure.mimecast_confirmed_by, closure.mimecast_confirmed_at)
        if closure.mimecast_confirmed_at
        else None,
        Signature("client", closure.client_confirmed_by, closure.client_confirmed_at)
        if closure.client_confirmed_at
        else None,
    )
    return sorted((each for each in signed if each is not None), key=lambda each: each.at)


def _closing_line(tenant: Tenant) -> ActivityLine | None:
    """The newest line about a closing before completion."""
    lines = ActivityLine.objects.filter(tenant=tenant, action=ActivityName.TENANT_CLOSED)
    return lines.select_related("actor").order_by("-number").first()
