"""Claim due checks, and release the claims of a dead worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from checks import claims, services
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from checks.scheduling import VIEWED_FOR, Interval
from tenants.models import Tenant
from tests.factories import MakeTenant

pytestmark = pytest.mark.django_db


def test_recorded_run_releases_claim(tenant: Tenant) -> None:
    now = timezone.now() + timedelta(seconds=1)
    claims.claim_due_checks(now=now)
    check = Check.objects.get(kind=CheckKind.MX)

    services.record_run(
        check.pk, Outcome(CheckKind.MX, "", Verdict.FAIL), expectation=check.expectation, at=now
    )

    check.refresh_from_db()
    wait = check.next_due_at - timezone.now()
    assert (check.claim_id, check.claimed_until) == ("", None)
    assert timedelta(seconds=10) < wait < timedelta(seconds=20)


def test_outdated_question_is_dropped(tenant: Tenant) -> None:
    check = Check.objects.get(kind=CheckKind.OWNERSHIP)

    recorded = services.record_run(
        check.pk,
        Outcome(CheckKind.OWNERSHIP, "", Verdict.PASS),
        expectation={"token": "another", "label": ""},
        at=timezone.now(),
    )

    assert not recorded
    assert not Observation.objects.exists()


def _later(minutes: float) -> None:
    """No check is due for this long."""
    Check.objects.update(next_due_at=timezone.now() + timedelta(minutes=minutes))


def test_opened_window_makes_checks_due_once(tenant: Tenant) -> None:
    _later(50)
    mx = Check.objects.filter(kind=CheckKind.MX)
    now, until = timezone.now(), timezone.now() + timedelta(hours=4)

    raised = [services.prioritize_cutover(mx, until=until) for _ in range(2)]
    later = services.prioritize_cutover(mx, until=until + timedelta(hours=1))

    assert (raised, later) == ([1, 0], 0)
    assert mx.get().cutover_until == until + timedelta(hours=1)
    assert mx.get().next_due_at <= timezone.now()
    assert not Check.objects.exclude(kind=CheckKind.MX).filter(next_due_at__lte=now).exists()


def test_settled_check_runs_often_in_window(tenant: Tenant) -> None:
    check = Check.objects.get(kind=CheckKind.MX)
    services.prioritize_cutover([check], until=timezone.now() + timedelta(hours=4))

    at = timezone.now()
    services.record_run(
        check.pk, Outcome(CheckKind.MX, "", Verdict.PASS), expectation=check.expectation, at=at
    )

    check.refresh_from_db()
    assert (check.settled_verdict, check.interval) == ("pass", Interval.CUTOVER)
    assert timedelta(seconds=8) < check.next_due_at - timezone.now() < timedelta(seconds=12)


def test_open_page_advances_unsettled_checks(tenant: Tenant) -> None:
    _later(50)
    Check.objects.filter(kind=CheckKind.SPF).update(settled_verdict=Verdict.PASS)
    now = timezone.now()

    sooner = services.prioritize_viewed(tenant, now=now)

    attended = Check.objects.filter(viewed_until=now + VIEWED_FOR)
    assert sooner == attended.count() == Check.objects.count() - 1
    assert Check.objects.get(kind=CheckKind.SPF).viewed_until is None
    assert all(
        timedelta(seconds=50) < check.next_due_at - now < timedelta(seconds=70)
        for check in attended
    )


def test_open_pages_advance_checks_of_all_their_tenants(make_tenant: MakeTenant) -> None:
    shown, sample, closed, other = (
        make_tenant(name, domains=((f"{name}.test", "primary"),))
        for name in ("shown", "sample", "closed", "other")
    )
    now = timezone.now()
    Tenant.objects.filter(pk=sample.pk).update(is_sample=True)
    Tenant.objects.filter(pk=closed.pk).update(closed_at=now)
    _later(50)

    services.prioritize_all_viewed([shown.pk, sample.pk, closed.pk], now=now)

    attended = Check.objects.filter(viewed_until=now + VIEWED_FOR)
    assert set(attended.values_list("tenant", flat=True)) == {shown.pk, sample.pk}
    waits = {
        tenant: max(c.next_due_at - now for c in attended.filter(tenant=tenant)).total_seconds()
        for tenant in (shown, sample)
    }
    assert 50 < waits[shown] < 70
    assert waits[sample] < 10
    assert not Check.objects.filter(tenant__in=[closed, other], viewed_until__isnull=False).exists()


def test_viewed_is_written_once_a_minute(tenant: Tenant) -> None:
    now = timezone.now()
    services.prioritize_viewed(tenant, now=now)
    Check.objects.update(next_due_at=now)

    services.prioritize_viewed(tenant, now=now + timedelta(seconds=30))
    assert not Check.objects.exclude(viewed_until=now + VIEWED_FOR).exists()

    cache.clear()
    services.prioritize_viewed(tenant, now=now + timedelta(seconds=61))
    assert not Check.objects.exclude(next_due_at=now).exists()
