"""A former MTA-STS policy delays the MX cutover: the same time for gate, form and forecast."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.calendar_feeds.facts import EntryKind, entries_of
from onboarding.cutovers.blockers import early_window_blockers
from onboarding.cutovers.planning_facts import load_planning_facts, window_facts
from onboarding.cutovers.readiness import ReadinessFacts, mta_sts_row
from onboarding.errors import OnboardingError
from onboarding.models import Cutover, ManualStatus, Task, TaskRole, TaskStatus
from onboarding.plans.cached_policies import cached_policy
from onboarding.plans.forecast import forecast_of, with_done
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.plans.task_roles import task_verified_by
from onboarding.plans.tasks import complete_waits
from tenants.models import Tenant, User
from tests.clock import Clock, at
from tests.cutovers import cutover_of
from tests.factories import SignIn
from tests.markup import texts
from tests.onboarding.cutovers.test_planning_facts import NO_CALENDAR
from tests.onboarding.plans.test_forecast_inputs import (
    MONDAY,
    MX_HOSTS,
    find,
    inputs_of,
    observe,
    step_of,
)

NOW = at("Mon 08:00")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WEEK = 604_800


def old_policy(max_age: int = WEEK) -> dict[str, Any]:
    params = {"hosts": ["x"], "max_age": max_age}
    return {"verdict": "fail", "findings": [{"code": "mta-sts.not-permitted", "params": params}]}


def new_policy(mode: str = "enforce") -> dict[str, Any]:
    params = {"mode": mode, "max_age": WEEK}
    return {"verdict": "pass", "findings": [{"code": "mta-sts.permits", "params": params}]}


def answer(code: str, verdict: str) -> dict[str, Any]:
    return {"verdict": verdict, "findings": [{"code": code, "params": {"max_age": WEEK}}]}


REMOVED = answer("mta-sts.none", "not_applicable")
UNREACHED = answer("mta-sts.policy-unreached", "unknown")
TESTING = answer("mta-sts.not-permitted-testing", "warn")
NO_MODE = answer("mta-sts.mode-none", "pass")
MISSING = answer("mta-sts.policy-missing", "fail")


@pytest.mark.parametrize(
    ("answers", "ends"),
    [
        ([], None),
        ([new_policy()], None),
        ([old_policy()], None),
        ([old_policy(), new_policy()], (1, WEEK)),
        ([old_policy(), new_policy(), new_policy()], (1, WEEK)),
        ([old_policy(), REMOVED], (1, WEEK)),
        ([old_policy(), MISSING], (1, WEEK)),
        # A failed fetch shows no end.
        ([old_policy(), UNREACHED], None),
        ([old_policy(), UNREACHED, new_policy()], (2, WEEK)),
        ([old_policy(), new_policy(), UNREACHED], (1, WEEK)),
        # An older policy with a greater age can outlive the last one (RFC 8461 section 8.3).
        ([old_policy(2 * WEEK), new_policy(), old_policy(3600), new_policy()], (1, 2 * WEEK)),
        ([old_policy(3600), old_policy(WEEK), new_policy()], (2, WEEK)),
        ([old_policy(), new_policy("testing")], None),
        ([old_policy(), TESTING], None),
        ([old_policy(), NO_MODE], None),
        ([old_policy(), TESTING, new_policy()], (1, WEEK)),
    ],
)
def test_end_of_former_policy(answers: list[dict[str, Any]], ends: tuple[int, int] | None) -> None:
    history = [
        Observation(first_seen_at=NOW + number * HOUR, **given)
        for number, given in enumerate(answers)
    ]

    found = cached_policy(history)

    expected = ends and (NOW + ends[0] * HOUR + timedelta(seconds=ends[1]), ends[1])
    assert (found and (found.expires_at, found.max_age)) == expected


def test_end_counts_from_end_of_run() -> None:
    changed = Observation(
        first_seen_at=NOW, first_run_ended_at=NOW + timedelta(minutes=2), **new_policy()
    )

    found = cached_policy([Observation(first_seen_at=NOW - HOUR, **old_policy()), changed])

    assert found is not None
    assert found.seen_until == NOW + timedelta(minutes=2)


# --- One condition on every page


@pytest.fixture
def switch(tenant: Tenant, fixed_monday: Clock) -> Task:
    """The MX cutover, which waits only for time. The MX TTL was low for a month."""
    observe(tenant, CheckKind.MX_TTL, NOW - 30 * DAY)
    observe(tenant, CheckKind.MX_TTL, NOW - 29 * DAY)
    Task.objects.filter(plan=tenant.plan, role=TaskRole.SWITCHES_INBOUND).update(depends_on=[])
    return switch_of(tenant)


def switch_of(tenant: Tenant) -> Task:
    recompute_rollup(tenant.plan)
    return Task.objects.get(plan=tenant.plan, role=TaskRole.SWITCHES_INBOUND)


def policy_task(tenant: Tenant) -> Task:
    task = task_verified_by(Task.objects.filter(plan=tenant.plan), CheckKind.MTA_STS)
    assert task is not None
    return task


def decide(task: Task, manual_status: str) -> None:
    Task.objects.filter(pk=task.pk).update(
        manual_status=manual_status, accepted_until=NOW + 30 * DAY
    )
    recompute_rollup(task.plan)


def publish(tenant: Tenant, former: dict[str, Any], present: dict[str, Any]) -> None:
    """The former policy from two days ago until an hour ago, and then the present one."""
    observe(tenant, CheckKind.MTA_STS, NOW - 2 * DAY, **former)
    observe(tenant, CheckKind.MTA_STS, NOW - HOUR, **present)
    Check.objects.filter(tenant=tenant, kind=CheckKind.MTA_STS).update(
        settled_verdict=present["verdict"], settled_at=NOW, checked_at=NOW
    )
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX_TTL).update(checked_at=NOW)


def facts_at(tenant: Tenant, starts: datetime) -> tuple[ReadinessFacts, list[Cutover]]:
    planned = Cutover(plan=tenant.plan, direction="inbound", planned_at=starts)
    return load_planning_facts(planned, list(tenant.domains.all()), now=NOW)


def conditions(tenant: Tenant, owner: User) -> dict[str, bool]:
    """Whether the MX cutover has to wait, for each part that answers this."""
    facts, others = facts_at(tenant, NOW + DAY)
    waived = Task.objects.filter(plan=tenant.plan, role=TaskRole.SWITCHES_OUTBOUND)
    waived.update(applies=False)
    found = window_facts(facts, others, NO_CALENDAR)
    switch = step_of(tenant, switch_of(tenant).key)
    try:
        confirm_task(switch_of(tenant), by=owner, side="client")
    except OnboardingError:
        is_refused = True
    else:
        is_refused = False
    return {
        "gate": is_refused,
        "form": any("MTA-STS" in row.title for row in found.safe_rows),
        "readiness": mta_sts_row(facts).verdict is Verdict.FAIL,
        "blocker": any("MTA-STS" in each.sentence for each in early_window_blockers(facts)),
        "forecast": any("MTA-STS" in bound.reason for bound in switch.bounds),
    }


@pytest.mark.parametrize(
    ("present", "manual", "is_moved", "waits"),
    [
        (new_policy(), "", False, True),
        (new_policy(), ManualStatus.ACCEPTED_RISK, False, False),
        (new_policy(), ManualStatus.NOT_NEEDED, False, False),
        (new_policy(), "", True, False),
        (new_policy("testing"), "", False, False),
        (NO_MODE, "", False, False),
    ],
)
def test_every_part_has_same_condition(
    tenant: Tenant,
    switch: Task,
    owner: User,
    present: dict[str, Any],
    manual: str,
    is_moved: bool,
    waits: bool,
) -> None:
    publish(tenant, old_policy(), present)
    if is_moved:
        observe(tenant, CheckKind.MX_TTL, NOW - HOUR, values=MX_HOSTS)
    decide(policy_task(tenant), manual)

    assert conditions(tenant, owner) == dict.fromkeys(
        ("gate", "form", "readiness", "blocker", "forecast"), waits
    )


def test_refusal_ends_with_cached_policy(
    tenant: Tenant, switch: Task, owner: User, fixed_monday: Clock
) -> None:
    publish(tenant, old_policy(), new_policy())
    waiting = switch_of(tenant)
    ends_at = NOW - HOUR + timedelta(seconds=WEEK)

    with pytest.raises(OnboardingError) as refused:
        confirm_task(waiting, by=owner, side="client")
    fixed_monday.move_to(ends_at)
    complete_waits()
    after = switch_of(tenant)
    confirm_task(after, by=owner, side="client")

    assert str(refused.value) == (
        "The MX cutover is safe from Mon 7 Dec, 07:00 UTC. Before that time, senders may still use"
        " cached MX records or MTA-STS policies. Going ahead before that can lose mail."
    )
    assert (waiting.waiting_on, waiting.safe_from) == ("", ends_at)
    assert (after.waiting_on, after.safe_from) == ("client", None)
    assert switch_of(tenant).status == TaskStatus.AWAITING_VERIFICATION


def test_ttl_closes_same_gate(tenant: Tenant, switch: Task, owner: User) -> None:
    """The safe time of the TTL is a condition of the same kind."""
    observe(tenant, CheckKind.MX_TTL, NOW - 3 * HOUR, ttl=86_400)
    observe(tenant, CheckKind.MX_TTL, NOW - HOUR, ttl=300)

    with pytest.raises(OnboardingError, match="MX cutover is safe from Tue 1 Dec, 07:00 UTC"):
        confirm_task(switch_of(tenant), by=owner, side="client")


def test_form_has_later_time(tenant: Tenant, switch: Task) -> None:
    publish(tenant, old_policy(), new_policy())
    Task.objects.filter(plan=tenant.plan, role=TaskRole.SWITCHES_OUTBOUND).update(applies=False)
    switch_of(tenant)

    found = window_facts(*facts_at(tenant, NOW + DAY), NO_CALENDAR)

    assert found.earliest == NOW - HOUR + timedelta(seconds=WEEK)
    assert found.safe_rows[-1].detail == (
        "northwind.test: the former policy does not permit the planned MX hosts, and senders may"
        " have it cached until Mon 7 Dec 07:00 UTC (max_age 604800 s)."
    )


def test_later_window_has_no_blocker(tenant: Tenant, switch: Task) -> None:
    publish(tenant, old_policy(), new_policy())

    facts, _ = facts_at(tenant, NOW - HOUR + timedelta(seconds=WEEK))

    assert mta_sts_row(facts).verdict is Verdict.PASS
    assert early_window_blockers(facts) == []


def test_pages_show_end_of_policy(
    tenant: Tenant, switch: Task, owner: User, consultant: User, signed_in: SignIn
) -> None:
    publish(tenant, old_policy(), new_policy())
    switch_of(tenant)
    planned = cutover_of(tenant, "inbound", NOW + DAY)
    where = [tenant.public_id]

    plan = signed_in(owner).get(
        f"{reverse('onboarding:plan-show', args=where)}?phase={switch.phase.key}"
    )
    room = signed_in(consultant).get(
        reverse("onboarding:cutover-room", args=[*where, planned.public_id])
    )

    (row,) = texts(plan.content.decode(), f"#{switch.key}")
    assert "The MX cutover is safe from Mon 7 Dec, 07:00 UTC." in row
    assert "the former MTA-STS policy of northwind.test" in row
    assert any(
        "former MTA-STS policy of northwind.test" in text
        for text in texts(room.content.decode(), "main")
    )


def test_calendar_has_one_time_per_switch(tenant: Tenant, switch: Task) -> None:
    publish(tenant, old_policy(), new_policy())

    entries = [e for e in entries_of(tenant, now=NOW) if e.kind == EntryKind.SAFE_TIME]

    assert [entry.starts for entry in entries if "Cutover" in entry.summary] == [
        "2026-12-07T07:00:00+00:00"
    ]


# --- The wait follows its task


def test_wait_starts_after_task(tenant: Tenant, fixed_monday: Clock) -> None:
    observe(tenant, CheckKind.MTA_STS, NOW - HOUR, **old_policy(2 * WEEK))
    task = policy_task(tenant)

    wait, inputs = step_of(tenant, "mta-sts:northwind.test"), inputs_of(tenant)
    spans = forecast_of(inputs).spans
    late = forecast_of(with_done(inputs, task.key, date(2026, 12, 30))).spans

    assert wait.after == (task.key,)
    assert spans[wait.key].end == spans[task.key].end + 14 * DAY
    assert late[wait.key].end == date(2027, 1, 13)
    assert late[switch_of(tenant).key].end >= date(2027, 1, 13)


def test_wait_of_skipped_task_is_left_out(tenant: Tenant, fixed_monday: Clock) -> None:
    observe(tenant, CheckKind.MTA_STS, NOW - HOUR, **old_policy())
    decide(policy_task(tenant), ManualStatus.ACCEPTED_RISK)

    assert find(tenant, "mta-sts:northwind.test") is None


def test_wait_without_task_starts_today(tenant: Tenant, fixed_monday: Clock) -> None:
    """Plans of an older template have no task for the policy."""
    observe(tenant, CheckKind.MTA_STS, NOW - HOUR, **old_policy())
    policy_task(tenant).delete()

    wait, switch = step_of(tenant, "mta-sts:northwind.test"), step_of(tenant, switch_of(tenant).key)

    assert (wait.after, forecast_of(inputs_of(tenant)).spans[wait.key].start) == ((), MONDAY)
    assert any("assumes that it does from today" in text for text in switch.assumes)
