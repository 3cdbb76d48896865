"""The entries of a calendar: cutover windows, freezes, due dates and safe times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.urls import reverse

from checks.queries import checks_of
from onboarding.models import (
    COMPLETE_STATUSES,
    Cutover,
    CutoverDecision,
    Freeze,
    OnCall,
    Task,
    TaskStatus,
)
from onboarding.plans.planned_cutovers import with_domains
from onboarding.plans.safe_times import safe_times_of
from tenants.models import Tenant

_SAFE_TIME_LENGTH = timedelta(minutes=30)


class EntryKind(StrEnum):
    CUTOVER = "cutover"
    FREEZE = "freeze"
    DUE_DATE = "due"
    SAFE_TIME = "safe"


@dataclass(frozen=True)
class EntryFacts:
    """One entry. `starts` and `ends` are days, or times in UTC, in ISO 8601. `ends` is exclusive.

    `people` are the public ids of the users to whose own calendar it belongs.
    """

    uid: str
    kind: str
    summary: str
    starts: str
    ends: str
    description: str = ""
    is_confirmed: bool = True
    path: str = ""
    people: Sequence[str] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The values as JSON, without the uid."""
        values = asdict(self) | {"people": list(self.people)}
        del values["uid"]
        return values


def entries_of(tenant: Tenant, *, now: datetime) -> list[EntryFacts]:
    """The current entries of one tenant, also of the past."""
    entries = [*_cutovers(tenant), *_freezes(tenant.freezes.all(), tenant), *_due_dates(tenant)]
    return entries if tenant.is_closed else [*entries, *_safe_times(tenant, now)]


def common_entries() -> list[EntryFacts]:
    """The freezes of all tenants."""
    return list(_freezes(Freeze.objects.filter(tenant=None), None))


def entry_uid(kind: EntryKind, name: str) -> str:
    # A UID never changes: calendar programs recognise an entry by it.
    return f"{kind}-{name}@gangway"


def _cutovers(tenant: Tenant) -> Iterator[EntryFacts]:
    """The windows that are not cancelled, with their state."""
    cutovers = list(with_domains(Cutover.objects.filter(plan__tenant=tenant)))
    decided = {
        (made.cutover_id, made.window_start, made.round): made.is_go
        for made in CutoverDecision.objects.filter(cutover__in=cutovers)
    }
    people = _people_of(cutovers)
    for cutover in cutovers:
        is_go = decided.get((cutover.pk, cutover.planned_at, cutover.round))
        state = _state(cutover, is_go)
        yield EntryFacts(
            entry_uid(EntryKind.CUTOVER, cutover.public_id),
            EntryKind.CUTOVER,
            f"{cutover}: {tenant} ({state})",
            _utc(cutover.planned_at),
            _utc(cutover.ends_at),
            f"State: {state}\nDomains: {', '.join(str(each) for each in cutover.domains.all())}",
            is_confirmed=cutover.confirmed_at is not None and is_go is not False,
            path=reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id]),
            people=sorted(people.get(cutover.pk, ())),
        )


def _state(cutover: Cutover, is_go: bool | None) -> str:
    if is_go is not None:
        return "go" if is_go else "no-go"
    return "planned" if cutover.confirmed_at is None else "window confirmed"


def _people_of(cutovers: Sequence[Cutover]) -> dict[int, set[str]]:
    """The approvers and the users on call, by cutover."""
    people: dict[int, set[str]] = {}
    for name in ("mimecast_approver", "client_approver"):
        approvers = Cutover.objects.filter(pk__in=[c.pk for c in cutovers]).exclude(**{name: None})
        for pk, public_id in approvers.values_list("pk", f"{name}__public_id"):
            people.setdefault(pk, set()).add(public_id)
    on_call = OnCall.objects.filter(cutover__in=cutovers).exclude(user=None)
    for pk, public_id in on_call.values_list("cutover", "user__public_id"):
        people.setdefault(pk, set()).add(public_id)
    return people


def _freezes(freezes: Iterable[Freeze], tenant: Tenant | None) -> Iterator[EntryFacts]:
    for freeze in freezes:
        yield EntryFacts(
            entry_uid(EntryKind.FREEZE, freeze.public_id),
            EntryKind.FREEZE,
            f"Freeze: {freeze.reason} ({tenant or 'all tenants'})",
            freeze.first_day.isoformat(),
            _day_after(freeze.last_day),
            "Days without changes.",
        )


def _due_dates(tenant: Tenant) -> Iterator[EntryFacts]:
    """The open tasks with a due date."""
    open_tasks = Task.objects.filter(
        plan__tenant=tenant, applies=True, is_group=False, due_on__isnull=False
    ).exclude(status__in=[*COMPLETE_STATUSES, TaskStatus.NOT_APPLICABLE])
    plan = reverse("onboarding:plan-show", args=[tenant.public_id])
    for task in open_tasks.select_related("assignee", "phase"):
        assert task.due_on is not None
        yield EntryFacts(
            entry_uid(EntryKind.DUE_DATE, task.public_id),
            EntryKind.DUE_DATE,
            f"Due: {task.title} ({tenant})",
            task.due_on.isoformat(),
            _day_after(task.due_on),
            f"Status: {task.get_status_display()}",
            path=f"{plan}?phase={task.phase.key}#{task.key}",
            people=[task.assignee.public_id] if task.assignee is not None else [],
        )


def _safe_times(tenant: Tenant, now: datetime) -> Iterator[EntryFacts]:
    """The earliest safe cutover and the earliest safe lockdown, where both are known."""
    found = safe_times_of(tenant, list(checks_of(tenant)), now=now).values()
    latest = {}
    # Former MX answers and MTA-STS policies delay the same switch: the later time counts.
    for safety in sorted(found, key=lambda safety: safety.safe_time.safe_at or now):
        latest[safety.switch] = safety
    for safety in latest.values():
        safe_at = safety.safe_time.safe_at
        if safe_at is not None:
            yield EntryFacts(
                entry_uid(EntryKind.SAFE_TIME, f"{safety.switch}-{tenant.public_id}"),
                EntryKind.SAFE_TIME,
                f"{safety.switch.capitalize()} safe from here: {tenant}",
                _utc(safe_at),
                _utc(safe_at + _SAFE_TIME_LENGTH),
                f"The last domain is {safety.domain}.",
                path=reverse("onboarding:domains", args=[tenant.public_id]),
            )


def _day_after(day: date) -> str:
    return (day + timedelta(days=1)).isoformat()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()
