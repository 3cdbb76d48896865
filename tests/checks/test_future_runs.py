"""Times from a worker whose clock is wrong neither count nor stop a check."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks import runs
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, Observation
from tenants import database_time
from tenants.models import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def mx(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Check:
    async def answer(requests: list[Any], **_: Any) -> list[Outcome]:
        return [Outcome(CheckKind.MX, "northwind.test", Verdict.PASS) for _ in requests]

    monkeypatch.setattr(runs, "run_within", answer)
    return Check.objects.get(tenant=tenant, kind=CheckKind.MX)


def test_run_recorded_in_the_future_does_not_stop_the_check(mx: Check) -> None:
    """A worker two hours ahead recorded a run. Every later run would be dropped as stale."""
    ahead = timezone.now() + timedelta(hours=2)
    Check.objects.update(checked_at=ahead, contradicting_runs=1, contradicted_since=ahead)

    assert runs.run_batch([mx.pk]) == 1

    mx.refresh_from_db()
    assert mx.settled_verdict == Verdict.PASS
    assert mx.checked_at is not None
    assert mx.checked_at <= timezone.now()


def test_batch_of_a_clock_that_was_set_is_refused(
    mx: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = database_time.now

    def now(*, is_fresh: bool = False) -> datetime:
        return real() if is_fresh else real() + timedelta(hours=2)

    monkeypatch.setattr(database_time, "now", now)

    assert runs.run_batch([mx.pk]) == 0

    mx.refresh_from_db()
    assert (mx.checked_at, Observation.objects.count()) == (None, 0)
    # The next run is scheduled, so that nothing queries in a loop.
    assert mx.next_due_at > timezone.now()
