"""The daily reconciliation: in turns, bounded, and without a tenant that blocks others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from checks.models import Check
from config.beat_schedule import beat_schedule
from onboarding.lifecycle import tasks
from onboarding.lifecycle.tasks import reconcile, reconcile_tenant
from onboarding.models import Monitoring, Plan
from onboarding.plan_templates import plan_creation
from tests.factories import MakeTenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tenants for which a message is queued, and does not arrive."""
    found: list[int] = []
    monkeypatch.setattr(
        reconcile_tenant, "apply_async", lambda args, expires: found.append(args[0])
    )
    return found


def _tenants(make_tenant: MakeTenant, count: int) -> list[int]:
    return [make_tenant(f"T{n}", ((f"t{n}.test", "primary"),)).pk for n in range(count)]


def test_interval_is_that_of_the_beat() -> None:
    entry = beat_schedule(tick_seconds=2)["onboarding.reconcile"]
    assert entry["schedule"] == tasks.RECONCILE_TICK


@pytest.mark.slow
def test_tenants_follow_in_turns(
    make_tenant: MakeTenant, queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FEWEST_RECONCILED", 2)
    ids = _tenants(make_tenant, 5)
    now = timezone.now()
    for age, pk in zip((30, 2, None, 25, 40), ids, strict=True):
        at = now - timedelta(hours=age) if age is not None else None
        Plan.objects.filter(tenant=pk).update(reconciled_at=at)

    reconcile()
    assert queued == [ids[2], ids[4]]

    for pk in queued:
        reconcile_tenant(pk)
    queued.clear()
    reconcile()
    assert queued == [ids[0], ids[3]]


def test_lost_message_is_queued_again(make_tenant: MakeTenant, queued: list[int]) -> None:
    ids = _tenants(make_tenant, 2)
    reconcile()
    reconcile()
    assert queued == ids * 2


def test_failing_tenants_do_not_block_others(
    make_tenant: MakeTenant, queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "FEWEST_RECONCILED", 1)
    failing, other = _tenants(make_tenant, 2)

    def fail(*_: Any) -> None:
        raise ValueError("a fault in the rows of this tenant")

    monkeypatch.setattr(plan_creation, "apply_profile", fail)
    reconcile()
    with pytest.raises(ValueError, match="fault"):
        reconcile_tenant(queued.pop())
    reconcile()

    assert queued == [other]
    assert Plan.objects.get(tenant=failing).reconciled_at is not None


def test_a_day_of_turns_covers_every_tenant() -> None:
    turns = tasks.RECONCILE_EVERY / tasks.RECONCILE_TICK
    assert turns * tasks.RECONCILED_SHARE >= 2


@pytest.mark.slow
def test_queries_do_not_grow_with_domains(make_tenant: MakeTenant) -> None:
    few = make_tenant("Few", tuple((f"few{n}.test", "secondary") for n in range(2)))
    many = make_tenant("Many", tuple((f"many{n}.test", "secondary") for n in range(40)))
    for tenant in (few, many):
        Monitoring.objects.create(tenant=tenant, started_at=timezone.now(), reason="cutover")
    Check.objects.update(settled_verdict="pass")

    def queries(tenant_id: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            reconcile_tenant(tenant_id)
        return len(captured)

    assert queries(many.pk) <= queries(few.pk) + 3
    assert queries(few.pk) < 90
