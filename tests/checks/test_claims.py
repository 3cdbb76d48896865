"""Claims of due checks: fair between tenants, bounded, and soon free after a dead worker."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone

from checks import claims, runs, services, tasks
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check
from checks.scheduling import Interval
from checks.tasks import run_checks
from tenants.models import Domain, Tenant
from tests.factories import MakeTenant

pytestmark = pytest.mark.django_db


# More than the tests need.
def many() -> dict[str, int]:
    return {"checks.default": 9, "interactive.default": 9, "checks.dc-us-1": 9}


def _ids(batches: list[claims.Batch]) -> list[int]:
    return [pk for batch in batches for pk in batch.check_ids]


def _soon() -> datetime:
    return timezone.now() + timedelta(seconds=1)


def _large_tenant(make_tenant: MakeTenant, name: str, domains: int) -> Tenant:
    """A tenant with one due SPF check for each of many domains."""
    tenant = make_tenant(name, ((f"{name.lower()}.test", "primary"),))
    tenant.checks.update(next_due_at=timezone.now() + timedelta(days=1))
    made = Domain.objects.bulk_create(
        Domain(tenant=tenant, name=f"d{n}.{name.lower()}.test", role="secondary")
        for n in range(domains)
    )
    long_ago = timezone.now() - timedelta(days=1)
    Check.objects.bulk_create(
        Check(tenant=tenant, kind=kind, domain=domain, next_due_at=long_ago)
        for domain in made
        for kind in ("spf", "mx")
    )
    return tenant


def test_every_due_check_is_claimed_once(tenant: Tenant) -> None:
    now = _soon()

    first = _ids(claims.claim_due_checks(now=now, processes=many))
    second = _ids(claims.claim_due_checks(now=now, processes=many))

    assert sorted(first) == list(Check.objects.order_by("pk").values_list("pk", flat=True))
    assert second == []


@pytest.mark.parametrize("is_urgent", [True, False])
def test_lost_message_is_due_again(tenant: Tenant, is_urgent: bool) -> None:
    now = _soon()
    lasts = claims.URGENT_QUEUED_FOR if is_urgent else claims.QUEUED_FOR
    if is_urgent:
        Check.objects.update(cutover_until=now + timedelta(hours=4))
    first = _ids(claims.claim_due_checks(now=now))

    before = claims.claim_due_checks(now=now + lasts - timedelta(seconds=1))
    again = _ids(claims.claim_due_checks(now=now + lasts))

    assert (before, sorted(again)) == ([], sorted(first))


def test_batches_are_split_by_vantage_urgency_and_size(
    make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BATCH_SIZE", 2)
    tenant = make_tenant()
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(vantage="dc-us-1")
    Check.objects.filter(tenant=tenant, kind=CheckKind.SPF).update(
        requested_until=timezone.now() + timedelta(minutes=5)
    )

    batches = claims.claim_due_checks(now=_soon(), processes=many)

    assert [(batch.queue, len(batch.check_ids)) for batch in batches] == [
        ("checks.dc-us-1", 1),
        ("interactive.default", 1),
        ("checks.default", 2),
        ("checks.default", 2),
        ("checks.default", 1),
    ]


def test_large_tenant_leaves_turns_to_others(make_tenant: MakeTenant) -> None:
    _large_tenant(make_tenant, "Large", 300)
    small = [make_tenant(f"Small{n}", ((f"small{n}.test", "primary"),)) for n in range(3)]

    first = claims.claim_due_checks(now=_soon())

    assert len(_ids(first)) <= claims.BATCH_SIZE
    due = Check.objects.filter(tenant__in=small).values_list("pk", flat=True)
    assert set(due) <= set(_ids(first))


def test_no_more_is_claimed_than_workers_can_run(make_tenant: MakeTenant) -> None:
    _large_tenant(make_tenant, "Large", 1200)
    now = _soon()

    ticks = [
        len(_ids(claims.claim_due_checks(now=now, processes=lambda: {"checks.default": 2})))
        for _ in range(3)
    ]
    Check.objects.filter(pk__in=Check.objects.exclude(claimed_until=None)[:60]).update(
        claimed_until=None, next_due_at=now + timedelta(hours=1)
    )
    later = len(_ids(claims.claim_due_checks(now=now, processes=lambda: {"checks.default": 2})))

    assert ticks == [2 * claims.BATCHES_PER_PROCESS * claims.BATCH_SIZE, 0, 0]
    assert later == 60


def test_due_checks_of_a_domain_are_claimed_together(make_tenant: MakeTenant) -> None:
    tenant = _large_tenant(make_tenant, "Large", 150)
    # Their due times have drifted apart.
    tenant.checks.filter(kind="mx", domain__name__startswith="d").update(
        next_due_at=timezone.now() - timedelta(minutes=1)
    )

    claimed = _ids(claims.claim_due_checks(now=_soon()))

    kinds: dict[int, set[str]] = {}
    for domain, kind in Check.objects.filter(pk__in=claimed).values_list("domain", "kind"):
        assert domain is not None
        kinds.setdefault(domain, set()).add(kind)
    assert len(claimed) == claims.BATCH_SIZE
    assert set(map(frozenset, kinds.values())) == {frozenset({"spf", "mx"})}


def test_checks_in_a_window_have_their_own_queue(make_tenant: MakeTenant) -> None:
    large = _large_tenant(make_tenant, "Large", 100)
    large.checks.update(requested_until=timezone.now() + timedelta(minutes=5))
    other = make_tenant("Other", (("other.test", "primary"),))
    mx = other.checks.get(kind="mx")
    Check.objects.filter(pk=mx.pk).update(cutover_until=timezone.now() + timedelta(hours=4))

    batches = claims.claim_due_checks(now=_soon())

    by_queue = {batch.queue: batch.check_ids for batch in batches}
    assert by_queue["windows.default"] == (mx.pk,)
    assert len(by_queue["interactive.default"]) == claims.URGENT_BATCH_SIZE


def test_requested_check_in_a_window_has_the_queue_of_windows(tenant: Tenant) -> None:
    mx = tenant.checks.get(kind="mx")
    Check.objects.filter(pk=mx.pk).update(cutover_until=timezone.now() + timedelta(hours=4))

    batches = claims.request_run(tenant.checks.all(), now=_soon())

    assert {batch.queue: mx.pk in batch.check_ids for batch in batches} == {
        "windows.default": True,
        "interactive.default": False,
    }


def test_request_run_skips_claimed_check(tenant: Tenant) -> None:
    now = _soon()
    claims.claim_due_checks(now=now)

    batches = claims.request_run(Check.objects.all(), now=now)

    assert batches == []
    assert not Check.objects.filter(requested_until=None).exists()


def test_crowd_leaves_its_requests_to_the_beat(tenant: Tenant, settings: Any) -> None:
    """Beyond the allowance, a request claims nothing, and the next tick claims full batches."""
    settings.CELERY_TASK_ALWAYS_EAGER = False
    now = timezone.now()
    checks = list(Check.objects.all())
    with patch.object(tasks, "direct_messages", tasks.Allowance(per_second=2)):
        for check in checks:
            tasks.run_now([check])

    queued = Check.objects.filter(claimed_until__gt=now)
    assert queued.count() == 2
    assert not Check.objects.filter(requested_until=None).exists()
    (batch,) = claims.claim_due_checks(now=_soon(), processes=many)
    assert (batch.queue, len(batch.check_ids)) == ("interactive.default", len(checks) - 2)


def test_allowance_is_restored_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("checks.tasks.time.monotonic", lambda: clock[0])
    allowance = tasks.Allowance(per_second=2)

    assert [allowance.use() for _ in range(3)] == [True, True, False]
    clock[0] += 0.5
    assert [allowance.use() for _ in range(2)] == [True, False]
    clock[0] += 60
    assert [allowance.use() for _ in range(3)] == [True, True, False]


def test_large_request_leaves_the_rest_to_the_beat(make_tenant: MakeTenant) -> None:
    large = _large_tenant(make_tenant, "Large", 100)
    now = _soon()

    batches = claims.request_run(large.checks.all(), now=now)

    assert [(batch.queue, len(batch.check_ids)) for batch in batches] == [
        ("interactive.default", claims.URGENT_BATCH_SIZE)
    ]
    rest = _ids(claims.claim_due_checks(now=now, processes=many))
    assert sorted([*_ids(batches), *rest]) == sorted(large.checks.values_list("pk", flat=True))


def test_requested_runs_of_check_are_limited(tenant: Tenant) -> None:
    now = timezone.now()
    ran_at = now - claims.MIN_TIME_BETWEEN_RUNS + timedelta(seconds=1)
    Check.objects.filter(kind=CheckKind.MX).update(checked_at=ran_at)

    claimed = _ids(claims.request_run(Check.objects.all(), now=now))

    mx = Check.objects.get(kind=CheckKind.MX)
    assert claimed == list(
        Check.objects.exclude(pk=mx.pk).order_by("pk").values_list("pk", flat=True)
    )
    assert mx.next_due_at == ran_at + claims.MIN_TIME_BETWEEN_RUNS
    assert mx.requested_until is not None
    assert _ids(claims.request_run([mx], now=now + timedelta(seconds=1))) == [mx.pk]


def test_failed_batch_is_split_by_tenant_then_check(
    tenant: Tenant, make_tenant: MakeTenant
) -> None:
    other = make_tenant("Tailspin", (("tailspin.test", "primary"),))
    now = timezone.now()
    first, second = (
        list(t.checks.order_by("pk").values_list("pk", flat=True)) for t in (tenant, other)
    )

    def parts(ids: list[int]) -> list[list[int]]:
        return [list(batch.check_ids) for batch in claims.split_batch(ids, now=now)]

    assert parts([*second, *first]) == [first, second]
    assert parts(first) == [[pk] for pk in first]
    assert parts(first[:1]) == []
    assert Check.objects.get(pk=first[0]).next_due_at == now + claims.RETRY_AFTER


# --- The worker's side


def test_repeated_message_runs_nothing(tenant: Tenant) -> None:
    ids = _ids(claims.claim_due_checks(now=_soon()))

    with claims.running(ids) as first, claims.running(ids) as second:
        assert (sorted(first.check_ids), second.check_ids) == (sorted(ids), [])


def test_late_message_runs_what_is_still_due(tenant: Tenant) -> None:
    """Its claim has expired and another message has its checks: the first worker runs them."""
    ids = _ids(claims.claim_due_checks(now=timezone.now() - claims.QUEUED_FOR))
    Check.objects.update(next_due_at=timezone.now(), claimed_until=None)
    again = _ids(claims.claim_due_checks(now=_soon()))

    with claims.running(ids or again) as late:
        assert sorted(late.check_ids) == sorted(again)


def test_message_of_checks_that_ran_runs_nothing(tenant: Tenant) -> None:
    Check.objects.update(next_due_at=timezone.now() + timedelta(minutes=5))

    with claims.running(list(Check.objects.values_list("pk", flat=True))) as claim:
        assert claim.check_ids == []


def test_claim_of_a_killed_worker_expires_soon(tenant: Tenant) -> None:
    now = _soon()
    ids = _ids(claims.claim_due_checks(now=now))
    killed = claims.running(ids)
    claim = killed.__enter__()
    started_at = timezone.now()

    claimed = claims.claim_due_checks(now=started_at + claims.RUNNING_FOR / 2)
    free = claims.claim_due_checks(now=started_at + claims.RUNNING_FOR + timedelta(seconds=1))

    assert (claimed, sorted(_ids(free))) == ([], sorted(claim.check_ids))
    killed.__exit__(None, None, None)


def test_end_of_a_batch_releases_the_rest(tenant: Tenant) -> None:
    ids = _ids(claims.claim_due_checks(now=_soon()))
    mx = Check.objects.get(kind=CheckKind.MX)
    with claims.running(ids):
        services.record_run(
            mx.pk,
            Outcome(CheckKind.MX, "", Verdict.FAIL),
            expectation=mx.expectation,
            at=timezone.now(),
        )

    assert not Check.objects.exclude(claim_id="", claimed_until=None).exists()
    mx.refresh_from_db()
    assert mx.next_due_at > timezone.now()
    assert Check.objects.exclude(pk=mx.pk).filter(next_due_at__gt=timezone.now()).count() == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_living_worker_renews_its_claim(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_RENEW_EVERY_SECONDS", 0.05)
    ids = _ids(claims.claim_due_checks(now=_soon()))

    with claims.running(ids):
        first = Check.objects.filter(pk__in=ids).order_by("claimed_until")[0].claimed_until
        threading.Event().wait(0.4)
        later = Check.objects.filter(pk__in=ids).order_by("claimed_until")[0].claimed_until

    assert first is not None
    assert later is not None
    assert later > first


def test_dropped_run_schedules_the_next(tenant: Tenant) -> None:
    """A run that is dropped leaves no check due at once, which would query in a loop."""
    now = timezone.now()
    Check.objects.update(checked_at=now, next_due_at=now - timedelta(seconds=1))
    mx = Check.objects.get(kind=CheckKind.MX)

    recorded = services.record_run(
        mx.pk,
        Outcome(CheckKind.MX, "", Verdict.PASS),
        expectation=mx.expectation,
        at=now - timedelta(minutes=1),
    )

    mx.refresh_from_db()
    assert not recorded
    wait = mx.next_due_at - now
    assert timedelta(seconds=10) < wait < timedelta(seconds=20)
    assert mx.interval == Interval.UNSETTLED


def test_worker_queues_the_next_batch_itself(
    make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many due checks the ticks of the beat do not limit the workers."""
    make_tenant(domains=tuple((f"d{n}.test", "secondary") for n in range(40)))
    ids = list(Check.objects.values_list("pk", flat=True))
    Check.objects.update(next_due_at=timezone.now() - timedelta(minutes=1))
    queued: list[int] = []
    monkeypatch.setattr(runs, "run_batch", len)
    monkeypatch.setattr(run_checks, "apply_async", lambda args, queue: queued.extend(args[0]))

    task: Any = run_checks
    task(ids[:5])
    assert queued == []
    task.push_request(called_directly=False)
    try:
        task.run(ids[:5])
    finally:
        task.pop_request()

    assert len(queued) > 100


@pytest.mark.parametrize(
    ("processes", "queue"),
    [
        ({"windows.default": 1, "interactive.default": 2}, "windows.default"),
        ({"interactive.default": 2}, "interactive.default"),
        ({}, "windows.default"),
    ],
)
def test_checks_in_a_window_go_to_a_served_queue(
    tenant: Tenant, processes: dict[str, int], queue: str
) -> None:
    """A worker of version 0.1.0 serves no queue of windows."""
    mx = tenant.checks.get(kind="mx")
    Check.objects.filter(pk=mx.pk).update(cutover_until=timezone.now() + timedelta(hours=4))

    batches = claims.claim_due_checks(now=_soon(), processes=lambda: processes)

    assert [batch.queue for batch in batches if mx.pk in batch.check_ids] == [queue]
