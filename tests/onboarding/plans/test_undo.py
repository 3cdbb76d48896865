"""The stored values that undo the last action: which action, for whom, and what it restores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.models import DomainProgress, Task
from onboarding.plans.undo import (
    UNDO_FOR,
    can_undo,
    restore,
    restores_confirmations,
    store_undo,
)
from tenants.models import Domain, Tenant, User
from tests.clock import Clock
from tests.factories import TOKEN, MakeTenant, task_of

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
EARLIER = datetime(2026, 11, 20, 17, 30, 15, 250, tzinfo=UTC)
KEY = "dkim-update"
SIDES = ("mimecast", "client")
NOTHING = {f"{side}_confirmed_{what}": None for side in SIDES for what in ("at", "by_id")}


def stored(age: timedelta = timedelta(), **others: Any) -> Task:
    undo = {"by": 7, "at": (NOW - age).isoformat(), "task": dict(NOTHING), "parts": {}}
    return Task(undo=undo | others)


@pytest.mark.parametrize(
    ("task", "user_id", "may_manage_plan", "expected"),
    [
        (Task(), 7, True, False),
        (stored(), 7, False, True),
        (stored(), 8, False, False),
        (stored(), None, False, False),
        (stored(), 8, True, True),
        (stored(UNDO_FOR - timedelta(microseconds=1)), 7, False, True),
        (stored(UNDO_FOR), 7, False, False),
        (stored(UNDO_FOR), 8, True, False),
        (stored(at="yesterday"), 7, False, False),
    ],
    ids=[
        "nothing",
        "own",
        "other-user",
        "unknown-user",
        "consultant",
        "last-moment",
        "one-day",
        "one-day-consultant",
        "no-moment",
    ],
)
def test_undo_for_one_day_by_same_user(
    fixed_monday: Clock, task: Task, user_id: int | None, may_manage_plan: bool, expected: bool
) -> None:
    assert fixed_monday.now == NOW
    assert can_undo(task, user_id=user_id, may_manage_plan=may_manage_plan) is expected


@pytest.mark.parametrize("name", sorted(NOTHING))
def test_missing_confirmation_is_restored(name: str) -> None:
    before = NOTHING | {name: 7 if name.endswith("id") else EARLIER.isoformat()}
    of_task, of_domain = stored(task=before), stored(parts={"3": before})
    now = {name: before[name]}
    confirmed = {3: DomainProgress(domain_id=3, **now)}

    assert restores_confirmations(of_task, {}) is True
    assert restores_confirmations(Task(undo=of_task.undo, **now), {}) is False
    assert restores_confirmations(of_domain, {}) is True
    assert restores_confirmations(of_domain, {3: DomainProgress(domain_id=3)}) is True
    assert restores_confirmations(of_domain, confirmed) is False


@pytest.mark.parametrize("task", [Task(), stored(), stored(parts={"3": dict(NOTHING)})])
def test_no_confirmation_is_restored(task: Task) -> None:
    assert restores_confirmations(task, {3: DomainProgress(domain_id=3)}) is False


def values(row: Task | DomainProgress) -> dict[str, Any]:
    """The stored values, without the undo itself and the ids of a row that is created again."""
    names = {field.attname for field in row._meta.fields} - {"id", "public_id", "undo"}
    return {name: getattr(row, name) for name in names}


def test_undo_restores_each_value(make_tenant: MakeTenant, owner: User, consultant: User) -> None:
    tenant = make_tenant("Two", domains=(("one.test", "primary"), ("two.test", "secondary")))
    one, two = tenant.domains.order_by("name")
    task = task_of(tenant, KEY)
    confirmed = {
        "mimecast_confirmed_at": EARLIER,
        "mimecast_confirmed_by": consultant,
        "client_confirmed_at": EARLIER + timedelta(hours=1),
        "client_confirmed_by": owner,
    }
    exempt = {"exempt_reason": "Parked.", "exempted_at": EARLIER, "exempted_by": consultant}
    status: dict[str, Any] = {
        "manual_status": "accepted_risk",
        "status_reason": "A pilot.",
        "status_set_at": EARLIER,
        "status_set_by": consultant,
        "status_waiting_on": "client",
        "accepted_until": EARLIER + timedelta(days=90),
    }
    Task.objects.filter(pk=task.pk).update(**confirmed, **status)
    DomainProgress.objects.create(task=task, domain=one, **confirmed, **exempt)
    task = task_of(tenant, KEY)
    rows = {row.domain_id: row for row in task.domain_progress.all()}
    before = (values(task), values(rows[one.pk]))

    store_undo(task, rows, by=owner)
    cleared: dict[str, Any] = dict.fromkeys([*confirmed, "status_set_at", "status_set_by"])
    cleared |= {"accepted_until": None, "manual_status": "", "status_reason": ""}
    cleared |= {"status_waiting_on": "", "undo": task.undo}
    Task.objects.filter(pk=task.pk).update(**cleared)
    task.domain_progress.all().delete()
    DomainProgress.objects.create(task=task, domain=two, client_confirmed_at=EARLIER)
    restored = task_of(tenant, KEY)
    restore(restored)

    task = task_of(tenant, KEY)
    row = task.domain_progress.get()
    assert (values(task), values(row)) == before
    # The roll-up of the same transaction reads the restored object.
    assert (values(restored), task.undo, restored.undo) == (before[0], None, None)


def test_undo_writes_only_the_values_of_an_action(tenant: Tenant, owner: User) -> None:
    task = task_of(tenant, KEY)
    title = task.title
    store_undo(task, {}, by=owner)
    task.title, task.status_reason = "Unsaved", "Unsaved"

    restore(task)

    task = task_of(tenant, KEY)
    assert (task.title, task.status_reason, task.undo) == (title, "", None)


def test_stored_undo_names_user_and_time(tenant: Tenant, owner: User, fixed_monday: Clock) -> None:
    task = task_of(tenant, KEY)

    store_undo(task, {}, by=owner)

    assert task.undo is not None
    assert (task.undo["by"], task.undo["at"]) == (owner.pk, fixed_monday.now.isoformat())
    assert task_of(tenant, KEY).undo is None


def test_undo_leaves_other_tasks_and_tenants(
    tenant: Tenant, make_tenant: MakeTenant, owner: User
) -> None:
    """A domain that was removed, or that belongs to another tenant, has no row afterwards."""
    task, other_task = task_of(tenant, KEY), task_of(tenant, "spf-update")
    domain = tenant.domains.get()
    foreign = make_tenant("Other").domains.get()
    removed = Domain.objects.create(
        tenant=tenant, name="gone.test", role="secondary", ownership_token=TOKEN
    )
    kept = DomainProgress.objects.create(task=other_task, domain=domain)
    rows = {each.pk: DomainProgress(task=task, domain=each) for each in (foreign, removed)}
    store_undo(task, rows, by=owner)
    removed.delete()

    restore(task)

    assert list(DomainProgress.objects.filter(task__plan=tenant.plan)) == [kept]
    assert not DomainProgress.objects.filter(domain=foreign).exists()
