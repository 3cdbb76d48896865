"""Drifts in the windows of cutovers, and the effect of a mute on the next drift."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.cutovers import snapshots
from onboarding.cutovers.planning import change_cutover
from onboarding.models import Drift
from onboarding.monitoring import drifts
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import START, RunCheck

DAY = 24 * 60
RecordRuns = Callable[..., None]


@pytest.fixture
def live(tenant: Tenant, run_check: RunCheck) -> Tenant:
    """A tenant whose inbound cutover was verified at START."""
    run_check(tenant, CheckKind.SPF, Verdict.PASS, minutes=-60)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    return tenant


@pytest.fixture
def fail(run_check: RunCheck) -> RecordRuns:
    """Runs that settle on FAIL, one day after go-live or `later` minutes after that."""

    def settle(tenant: Tenant, kind: CheckKind, code: str = "mx.leftover", later: int = 0) -> None:
        for minute in (DAY, DAY + 5, DAY + 11):
            run_check(tenant, kind, Verdict.FAIL, code=code, minutes=minute + later)

    return settle


def _open(tenant: Tenant) -> list[str]:
    return list(Drift.objects.filter(tenant=tenant, closed_at=None).values_list("kind", flat=True))


def test_fail_in_window_is_no_drift(live: Tenant, fail: RecordRuns) -> None:
    cutover_of(live, "inbound", START + timedelta(days=1))

    fail(live, CheckKind.MX)

    assert _open(live) == []


def test_fail_in_former_window_is_no_drift(
    live: Tenant, fail: RecordRuns, consultant: User
) -> None:
    cutover = cutover_of(live, "inbound", START + timedelta(days=1))
    snapshots.save_at_opening(cutover)
    later = START + timedelta(days=8)
    change_cutover(
        cutover,
        later,
        list(live.domains.all()),
        expected_round=cutover.round,
        by=consultant,
        reason="Agreed.",
    )

    fail(live, CheckKind.MX)

    assert _open(live) == []


def test_other_kind_in_window_is_drift(live: Tenant, fail: RecordRuns) -> None:
    cutover_of(live, "inbound", START + timedelta(days=1))

    fail(live, CheckKind.SPF, "spf.no-network-passes")

    assert _open(live) == ["include_gone"]


def test_unmuted_drift_leaves_next_unmuted(
    live: Tenant, fail: RecordRuns, run_check: RunCheck, consultant: User
) -> None:
    fail(live, CheckKind.MX)
    later = timezone.now() + timedelta(days=30)
    Drift.objects.update(muted_until=later)
    run_check(live, CheckKind.MX, Verdict.PASS, minutes=DAY + 60)
    fail(live, CheckKind.MX, later=120)
    assert Drift.objects.get(closed_at=None).muted_until == later

    drifts.unmute(Drift.objects.get(closed_at=None), by=consultant)
    run_check(live, CheckKind.MX, Verdict.PASS, minutes=DAY + 200)
    fail(live, CheckKind.MX, later=240)

    assert Drift.objects.get(closed_at=None).muted_until is None
