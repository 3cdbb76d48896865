"""The stored safe times of a tenant: read again exactly when a fact has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.queries import checks_of
from onboarding.models import ManualStatus, TaskRole, TaskStatus
from onboarding.plans.safe_times import (
    STORED_SECONDS,
    LazySafeTimes,
    safe_times_for,
    safe_times_of,
    unsafe_tasks,
)
from tenants.models import Tenant
from tests.factories import MakeTenant, task_of
from tests.onboarding.plans.test_safe_time_rules import (
    DAY,
    HOUR,
    MX,
    NOW,
    OLD,
    TTL,
    observed,
)


def store(
    tenant: Tenant, kind: CheckKind, minutes: int, *values: str, ttl: int = 300
) -> Observation:
    of = Check.objects.get(tenant=tenant, kind=kind)
    row = observed(of, minutes, *values, ttl=ttl, digest=f"{minutes}")
    row.save()
    Check.objects.filter(pk=of.pk).update(latest=row)
    return row


def stored(tenant: Tenant, now: datetime = NOW) -> LazySafeTimes:
    return LazySafeTimes(tenant, list(checks_of(tenant)), now=now)


def test_stored_safe_times_are_a_mapping(
    tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    store(tenant, CheckKind.MX_TTL, 0, *OLD, ttl=3600)
    store(tenant, CheckKind.MX_TTL, 5, *OLD)
    first, later = stored(tenant), stored(tenant, NOW + 3 * HOUR)

    with django_assert_num_queries(1):
        assert (set(first), len(first), "spf" in first) == ({MX, TTL}, 2, False)
        assert first[TTL].safe_time.safe_at == NOW + timedelta(minutes=5) + HOUR
        assert first[MX].is_unknown
    # The same answers at a later time.
    with django_assert_num_queries(0):
        assert [(each.now, each.is_ahead) for each in (first[TTL], later[TTL])] == [
            (NOW, True),
            (NOW + 3 * HOUR, False),
        ]


def test_safe_times_without_storage_are_equal(tenant: Tenant) -> None:
    store(tenant, CheckKind.MX_TTL, 0, *OLD)

    found = safe_times_of(tenant, list(checks_of(tenant)), now=NOW)

    assert found == dict(stored(tenant))
    assert found[TTL].now == NOW


def of_ttl() -> QuerySet[Observation]:
    return Observation.objects.filter(check_asked__kind=CheckKind.MX_TTL)


Change = Callable[[Tenant, Any], object]


@pytest.mark.parametrize(
    ("change", "safe_at"),
    [
        (lambda tenant, _: store(tenant, CheckKind.MX_TTL, 5, *OLD, ttl=3600), None),
        (
            lambda *_: of_ttl().update(first_seen_at=NOW + HOUR, last_seen_at=NOW + HOUR),
            NOW + HOUR + DAY,
        ),
        (lambda *_: of_ttl().update(first_run_ended_at=NOW + HOUR), NOW + HOUR + DAY),
        (lambda tenant, _: tenant.domains.update(original_mx_ttl_seconds=259_200), NOW + 3 * DAY),
        (lambda tenant, _: setattr(tenant, "region_overrides", {"mx": ["mail.test"]}), None),
        (lambda _, settings: setattr(settings, "CHECKS_TTL_THRESHOLD_SECONDS", 200), None),
        (lambda _, settings: setattr(settings, "VERSION", "next"), NOW + DAY),
    ],
    ids=["answer", "begin", "end-of-first-run", "original-ttl", "hosts", "threshold", "version"],
)
def test_changed_fact_is_read_again(
    tenant: Tenant,
    settings: Any,
    django_assert_num_queries: DjangoAssertNumQueries,
    change: Change,
    safe_at: datetime | None,
) -> None:
    store(tenant, CheckKind.MX_TTL, 0, *OLD)
    assert stored(tenant)[TTL].safe_time.safe_at == NOW + DAY

    change(tenant, settings)

    safety = stored(tenant)
    with django_assert_num_queries(1):
        found = safety.get(TTL)
    assert (found.safe_time.safe_at if found is not None else None) == safe_at


@pytest.mark.parametrize(
    "change",
    [
        lambda _: of_ttl().update(last_seen_at=NOW + HOUR, runs=9),
        lambda tenant: store(tenant, CheckKind.SPF, 5, "v=spf1 -all"),
    ],
    ids=["longer", "other-kind"],
)
def test_equal_answer_is_not_read_again(
    tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries, change: Any
) -> None:
    store(tenant, CheckKind.MX_TTL, 0, *OLD)
    before = dict(stored(tenant))

    change(tenant)

    safety = stored(tenant)
    with django_assert_num_queries(0):
        assert dict(safety) == before


def test_first_run_of_a_judgement_changes_the_safe_time(tenant: Tenant) -> None:
    row = store(tenant, CheckKind.MX_TTL, 0, *OLD)
    Observation.objects.filter(pk=row.pk).update(runs=0)
    assert TTL not in stored(tenant)

    Observation.objects.filter(pk=row.pk).update(runs=1)

    assert TTL in stored(tenant)


def test_safe_times_are_stored_for_a_day(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    lifetimes = []
    original = cache.set

    def spy(key: str, value: object, timeout: int | None = None) -> None:
        lifetimes.append(timeout)
        original(key, value, timeout=timeout)

    monkeypatch.setattr(cache, "set", spy)

    assert len(stored(tenant)) == 1
    assert lifetimes == [STORED_SECONDS]


def test_tasks_that_wait_for_a_safe_time(
    make_tenant: MakeTenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tenant = make_tenant("Two", domains=(("one.test", "primary"),))
    store(tenant, CheckKind.MX_TTL, 0, *OLD)
    tasks = list(tenant.plan.tasks.all())
    lockdown, cutover = task_of(tenant, "connection-lockdown"), task_of(tenant, "mx-record-cutover")
    others = [task for task in tasks if task not in (lockdown, cutover)]

    found = safe_times_for([lockdown, cutover], tenant, iter(tasks), now=NOW)

    assert {task: each.safe_time.safe_at for task, each in found.items()} == {
        lockdown: None,
        cutover: NOW + DAY,
    }
    assert set(unsafe_tasks(tasks, tenant, tasks, now=NOW)) >= {lockdown, cutover}
    after = unsafe_tasks([lockdown, cutover], tenant, tasks, now=NOW + DAY)
    assert list(after) == [lockdown]
    # The task of the condition is skipped, so that no safe time is left for the cutover.
    lower = next(task for task in tasks if TTL in task.check_kinds)
    lower.status = TaskStatus.NOT_APPLICABLE
    lower.manual_status = ManualStatus.NOT_NEEDED
    assert list(safe_times_for([cutover], tenant, tasks, now=NOW)) == []
    plain = [task for task in others if task.role != TaskRole.DECOMMISSION]
    with django_assert_num_queries(0):
        assert safe_times_for(plain, tenant, tasks, now=NOW) == {}
