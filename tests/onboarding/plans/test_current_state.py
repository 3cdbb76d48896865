"""The current state of a subject and of a tenant, and its equal in SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models import Drift
from onboarding.plans.current_state import (
    FAULTS,
    STALE_AFTER,
    CurrentState,
    SubjectStatus,
    TenantState,
    checks_with_status,
    current_state,
    status_case,
    tenant_state,
    tenant_states,
)
from onboarding.plans.rows import shape_of_state
from tenants.models import Tenant
from tests.factories import MakeTenant

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
KINDS = (CheckKind.MX, CheckKind.MTA_STS, CheckKind.MESSAGE, CheckKind.DELIVERY_MESSAGE)
SETTLED = ("", "pass", "warn", "fail", "not_applicable")
NEWEST = ("", *Verdict)


def _check(
    kind: CheckKind = CheckKind.MX,
    settled: str = "",
    newest: str = "",
    *,
    was_verified: bool = False,
    is_misconfigured: bool = False,
    age: timedelta = timedelta(minutes=5),
) -> Check:
    ran_at = NOW - age
    return Check(
        kind=kind.value,
        settled_verdict=settled,
        settled_at=NOW - timedelta(days=2) if settled else None,
        first_verified_at=NOW - timedelta(days=9) if was_verified else None,
        is_misconfigured=is_misconfigured,
        checked_at=ran_at if newest else None,
        latest=Observation(verdict=newest, first_seen_at=ran_at, last_seen_at=ran_at)
        if newest
        else None,
    )


def _state(settled: str = "", newest: str = "", **facts: object) -> CurrentState:
    drifted_since = facts.pop("drifted_since", None)
    kind = facts.pop("kind", CheckKind.MX)
    check = _check(kind, settled, newest, **facts)  # type: ignore[arg-type]
    return current_state(check, now=NOW, drifted_since=drifted_since)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settled", "newest", "facts", "status", "verdict"),
    [
        ("", "", {}, "not_checked", "unknown"),
        ("", "pass", {}, "unsettled", "unknown"),
        ("", "fail", {}, "unsettled", "unknown"),
        ("", "unknown", {}, "unknown", "unknown"),
        ("pass", "pass", {}, "verified", "pass"),
        ("pass", "warn", {}, "verified", "pass"),
        ("warn", "pass", {}, "caution", "warn"),
        ("pass", "fail", {}, "contradicted", "unknown"),
        ("pass", "not_applicable", {}, "contradicted", "unknown"),
        ("pass", "unknown", {}, "unknown", "unknown"),
        ("not_applicable", "not_applicable", {}, "not_applicable", "not_applicable"),
        ("not_applicable", "fail", {}, "contradicted", "unknown"),
        ("fail", "fail", {}, "not_done", "fail"),
        ("fail", "unknown", {}, "not_done", "fail"),
        ("fail", "fail", {"is_misconfigured": True}, "incorrect", "fail"),
        ("fail", "fail", {"was_verified": True}, "regressed", "fail"),
        ("fail", "unknown", {"was_verified": True}, "regressed", "fail"),
        ("fail", "fail", {"was_verified": True, "drifted_since": NOW}, "drifted", "fail"),
        ("pass", "pass", {"drifted_since": NOW}, "drifted", "pass"),
        ("pass", "pass", {"age": STALE_AFTER + timedelta(seconds=1)}, "unknown", "unknown"),
        ("pass", "pass", {"age": STALE_AFTER}, "verified", "pass"),
        ("fail", "fail", {"age": timedelta(days=9)}, "not_done", "fail"),
        ("pass", "pass", {"kind": CheckKind.MESSAGE, "age": timedelta(days=9)}, "verified", "pass"),
        ("pass", "unknown", {"kind": CheckKind.MESSAGE}, "verified", "pass"),
        ("", "unknown", {"kind": CheckKind.MESSAGE}, "unknown", "unknown"),
    ],
)
def test_status_and_verdict(
    settled: str, newest: str, facts: dict[str, object], status: str, verdict: str
) -> None:
    state = _state(settled, newest, **facts)

    assert (state.status, state.verdict) == (status, verdict)


def test_subject_without_check_is_not_checked() -> None:
    assert current_state(None, now=NOW).status is SubjectStatus.NOT_CHECKED


@pytest.mark.parametrize(
    ("state", "since"),
    [
        (_state("fail", "fail", was_verified=True, drifted_since=NOW), NOW),
        (_state("fail", "fail", was_verified=True), NOW - timedelta(days=2)),
        (_state("pass", "pass"), NOW - timedelta(days=2)),
        (_state("pass", "fail"), NOW - timedelta(minutes=5)),
        (_state("pass", "unknown"), NOW - timedelta(minutes=5)),
        (_state(), None),
    ],
)
def test_start_of_the_status(state: CurrentState, since: datetime | None) -> None:
    assert state.since == since


def test_every_status_has_a_shape_and_a_label() -> None:
    for status in SubjectStatus:
        state = CurrentState(status)
        assert state.label
        assert shape_of_state(state)


def _store_all(tenant: Tenant) -> list[tuple[Check, bool]]:
    """Store a check for every combination of facts, some with an open drift."""
    domain = tenant.domains.get()
    Check.objects.filter(tenant=tenant).update(is_active=False)
    made: list[tuple[Check, bool]] = []
    facts = product(KINDS, SETTLED, NEWEST, *[(False, True)] * 4)
    for number, (kind, settled, newest, verified, wrong, is_old, has_drift) in enumerate(facts):
        age = STALE_AFTER + timedelta(minutes=1) if is_old else timedelta(minutes=5)
        check = _check(
            kind, settled, newest, was_verified=verified, is_misconfigured=wrong, age=age
        )
        check.tenant, check.domain, check.vantage = tenant, domain, f"v{number}"
        made.append((check, has_drift))
    latest = [check.latest for check, _ in made]
    for check, _ in made:
        check.latest = None
    Check.objects.bulk_create(check for check, _ in made)
    stored = []
    for (check, _), observation in zip(made, latest, strict=True):
        if observation is not None:
            observation.check_asked = check
            stored.append(observation)
    Observation.objects.bulk_create(stored)
    for observation in stored:
        observation.check_asked.latest = observation
    Check.objects.bulk_update([o.check_asked for o in stored], ["latest"])
    Drift.objects.bulk_create(
        Drift(tenant=tenant, kind="leftover_mx", subject=c.vantage, check_asked=c, opened_at=NOW)
        for c, has_drift in made
        if has_drift
    )
    return made


@pytest.mark.slow
def test_sql_status_equals_the_function(tenant: Tenant) -> None:
    made = _store_all(tenant)
    stored = Check.objects.filter(tenant=tenant, is_active=True)

    by_sql = dict(stored.annotate(status=status_case(NOW)).values_list("pk", "status"))
    states = {
        check.pk: current_state(check, now=NOW, drifted_since=NOW if has_drift else None)
        for check, has_drift in made
    }

    assert len(by_sql) == len(made) == 1920
    assert by_sql == {pk: state.status.value for pk, state in states.items()}
    assert set(by_sql.values()) == {status.value for status in SubjectStatus}
    faults = checks_with_status(Check.objects.all(), FAULTS, now=NOW).values_list("pk", flat=True)
    assert set(faults) == {pk for pk, state in states.items() if state.is_fault}
    drifts = sum(has_drift for _, has_drift in made)
    assert tenant_states([tenant], now=NOW)[tenant.pk] == tenant_state(
        tenant, tenant.plan, [(check, states[check.pk]) for check, _ in made], drifts=drifts
    )


def test_lists_of_tenants_need_two_queries(
    make_tenant: MakeTenant, django_assert_num_queries: object
) -> None:
    assert callable(django_assert_num_queries)
    tenants = [make_tenant(f"T{number}") for number in range(3)]
    plans = [tenant.plan for tenant in tenants]
    assert len(plans) == 3

    with django_assert_num_queries(2):
        states = tenant_states(tenants, now=NOW)

    assert set(states) == {tenant.pk for tenant in tenants}


DONE = TenantState(tasks_total=5, tasks_complete=5)


@pytest.mark.parametrize(
    ("state", "tasks", "monitoring"),
    [
        (DONE, "All tasks done", "No drift since go-live"),
        (TenantState(5, 4), "4 of 5 tasks done", "No drift since go-live"),
        (
            replace(DONE, drifts=1),
            "All tasks done, but 1 drift",
            "1 drift since go-live",
        ),
        (
            replace(DONE, checks={SubjectStatus.REGRESSED: 1, SubjectStatus.NOT_DONE: 2}),
            "All tasks done, but 1 check failing and 2 checks not passing yet",
            "No drift, but 1 check failing and 2 checks not passing yet",
        ),
        (
            replace(DONE, checks={SubjectStatus.UNKNOWN: 1}),
            "All tasks done, but 1 check without a reliable answer",
            "No drift, but 1 check without a reliable answer",
        ),
        (
            replace(DONE, checks={SubjectStatus.CONTRADICTED: 2}),
            "All tasks done, but 2 last runs disagree",
            "No drift, but 2 last runs disagree",
        ),
        (
            replace(DONE, is_checked=False),
            "All tasks done, but the checks are stopped",
            "Monitoring is stopped",
        ),
    ],
)
def test_headlines(state: TenantState, tasks: str, monitoring: str) -> None:
    assert (state.task_headline, state.monitoring_headline) == (tasks, monitoring)
    assert state.is_clear == (not state.problems)


@pytest.mark.parametrize("status", SubjectStatus)
def test_all_clear_needs_every_check_verified(status: SubjectStatus) -> None:
    state = replace(DONE, checks={status: 1, SubjectStatus.VERIFIED: 9})

    # A check of text that a person can edit proves nothing, so it is never counted.
    uncounted = ("shown", "not_shown")
    assert state.is_clear == (status in ("verified", "caution", "not_applicable", *uncounted))
