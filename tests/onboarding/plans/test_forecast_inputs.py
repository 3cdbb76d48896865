"""The inputs of a forecast from stored rows: durations, waits, windows and unknown facts."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.models import Cutover, Freeze, Holiday, Task, WaitingPeriod, WorkingTime
from onboarding.plans.durations import (
    DurationSamples,
    default_duration,
    load_samples,
    median_days,
    weekdays_between,
)
from onboarding.plans.forecast import ForecastInputs, ForecastStep, StepKind, forecast_of
from onboarding.plans.forecast_inputs import forecast_inputs, forecasts_of, side_calendars
from onboarding.plans.forecast_sources import load_rows
from onboarding.plans.forecast_waits import day_after
from onboarding.plans.rollup import recompute_rollup
from tenants.models import Tenant, User
from tests.clock import at
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, task_of

pytestmark = pytest.mark.usefixtures("fixed_monday")

MONDAY = date(2026, 11, 30)
DAY = timedelta(days=1)
OLD = ["10 mail.northwind.test"]
MX_HOSTS = ["10 us-smtp-inbound-1.mimecast.com", "10 us-smtp-inbound-2.mimecast.com"]


def inputs_of(tenant: Tenant) -> ForecastInputs:
    tenant = Tenant.objects.select_related("plan").get(pk=tenant.pk)
    return forecast_inputs(load_rows([tenant], now=timezone.now())[0])


def step_of(tenant: Tenant, key: str) -> ForecastStep:
    return next(step for step in inputs_of(tenant).steps if step.key == key)


def find(tenant: Tenant, key: str) -> ForecastStep | None:
    return next((step for step in inputs_of(tenant).steps if step.key == key), None)


def set_task(tenant: Tenant, key: str, **values: Any) -> Task:
    task = task_of(tenant, key)
    Task.objects.filter(pk=task.pk).update(**values)
    recompute_rollup(tenant.plan)
    return task_of(tenant, key)


def complete(tenant: Tenant, *keys: str) -> None:
    for key in keys:
        now = timezone.now()
        set_task(tenant, key, verified_at=now, mimecast_confirmed_at=now, client_confirmed_at=now)


def observe(
    tenant: Tenant,
    kind: CheckKind,
    seen_at: datetime,
    *,
    ttl: int | None = 300,
    values: list[str] | None = None,
    findings: list[dict[str, Any]] | None = None,
    verdict: str = "pass",
) -> None:
    row: dict[str, Any] = {"status": "timeout", "values": [], "ttl": None}
    if ttl is not None:
        row = {"status": "records", "values": values or OLD, "ttl": ttl}
    check = Check.objects.get(tenant=tenant, kind=kind)
    latest = Observation.objects.create(
        check_asked=check,
        verdict=verdict,
        findings=findings or [],
        evidence={"servers": [{"name": "ns1.test", "address": "192.0.2.1"} | row]},
        digest=f"{kind}{seen_at.isoformat()}",
        first_seen_at=seen_at,
        last_seen_at=seen_at,
    )
    Check.objects.filter(pk=check.pk).update(latest=latest, checked_at=seen_at)


# --- Durations


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("Mon 08:00", "Mon 17:00", 0),
        ("Mon 08:00", "Tue 08:00", 1),
        ("Fri 08:00", "2 Mon 08:00", 1),
        ("Mon 08:00", "3 Wed 08:00", 12),
        ("Sat 08:00", "Sun 08:00", 0),
        ("Tue 08:00", "Mon 08:00", 0),
    ],
)
def test_weekdays_between_days(start: str, end: str, expected: int) -> None:
    assert weekdays_between(at(start).date(), at(end).date()) == expected


@pytest.mark.parametrize(
    ("samples", "expected"), [([1, 2, 9], 2), ([1, 2], 2), ([0, 0], 0), ([2, 3, 3, 4], 3)]
)
def test_median_rounds_half_up(samples: list[int], expected: int) -> None:
    assert median_days(samples) == expected


@pytest.mark.parametrize(
    ("own", "others", "days", "basis"),
    [
        (5, 0, 2, "median of 5 tasks of this consultant"),
        (4, 1, 2, "median of 5 tasks of all tenants"),
        (5, 20, 2, "median of 5 tasks of this consultant"),
        (4, 4, 6, "median of 8 tasks of all tenants"),
    ],
)
def test_own_samples_come_first(own: int, others: int, days: int, basis: str) -> None:
    everything = [2] * own + [9] * others
    samples = DurationSamples({("spf", 1): [2] * own}, {"spf": everything})

    found = samples.of("spf", 1)

    assert found is not None
    assert (found.days, found.basis) == (days, basis)


def test_too_few_samples_have_no_median() -> None:
    assert DurationSamples({}, {"spf": [1, 1, 1, 1]}).of("spf", None) is None


@pytest.mark.parametrize(
    ("due", "dependency", "days"),
    [
        (("start", 10), ("start", 7), 3),
        (("start", 10), ("start", 10), 1),
        (("inbound", 15), ("inbound", 3), 5),
        (("outbound", -3), ("start", 5), 1),
        (("", 0), ("", 0), 1),
    ],
)
def test_default_is_distance_of_due_dates(
    due: tuple[str, int], dependency: tuple[str, int], days: int
) -> None:
    before = Task(key="a", due_from=dependency[0], due_working_days=dependency[1])
    task = Task(key="b", due_from=due[0], due_working_days=due[1], depends_on=["a"])

    found = default_duration(task, {"a": before, "b": task})

    assert (found.days, found.basis) == (days, "default of the plan template")


def _completed(tenant: Tenant, key: str, days: int) -> None:
    """Complete the task so many weekdays after its side could act, in the weeks before today."""
    task = task_of(tenant, key)
    started = at("Mon 08:00") - timedelta(days=28)
    WaitingPeriod.objects.filter(task=task).delete()
    WaitingPeriod.objects.create(task=task, side="client", started_at=started, ended_at=started)
    done_at = started + days * DAY
    Task.objects.filter(pk=task.pk).update(
        status="done", status_changed_at=done_at, verified_at=None
    )


@pytest.mark.slow
def test_forecast_uses_measured_durations(make_tenant: MakeTenant, consultant: User) -> None:
    tenant = make_tenant("Own", consultant=consultant)
    for number, days in enumerate([1, 3, 3, 4, 4]):
        _completed(make_tenant(f"T{number}", consultant=consultant), "account-creation", days)
        _completed(make_tenant(f"S{number}", is_sample=True), "branding", days)

    measured, default = step_of(tenant, "account-creation"), step_of(tenant, "domain-ownership")

    assert (measured.days, measured.basis) == (3, "median of 5 tasks of this consultant")
    assert default.basis == "default of the plan template"
    keys = ["account-creation", "branding"]
    assert set(load_samples(keys, now=timezone.now()).by_key) == {"account-creation"}


@pytest.mark.parametrize(
    ("waited", "days", "is_flagged"), [("Mon 08:00", 5, False), ("-4", 1, False), ("-7", 1, True)]
)
def test_waiting_time_is_subtracted(
    tenant: Tenant, waited: str, days: int, is_flagged: bool
) -> None:
    since = at(waited) if waited[0] != "-" else at("Mon 08:00") + int(waited) * DAY
    complete(tenant, "initial-conversation", "mail-flow-infrastructure", "request-for-information")
    Task.objects.filter(plan=tenant.plan, key="account-creation").update(waiting_since=since)
    # From a Thursday four days ago, two working days have passed.
    expected = {"-4": 3}.get(waited, days)

    step = step_of(tenant, "account-creation")

    assert (step.days, bool(step.assumes)) == (expected, is_flagged)
    if is_flagged:
        assert step.assumes == (
            "“Account Creation” has waited for 5 working days, longer than usual (5). The forecast"
            " assumes one more.",
        )


# --- Unknown facts


def test_blocked_and_unverified_tasks_are_assumptions(tenant: Tenant) -> None:
    set_task(tenant, "initial-conversation", manual_status="blocked", status_reason="No time.")
    now = timezone.now()
    set_task(tenant, "spf-update", client_confirmed_at=now)

    blocked, unverified = step_of(tenant, "initial-conversation"), step_of(tenant, "spf-update")

    assert "is blocked. The forecast assumes that work continues today." in blocked.assumes[0]
    assert (unverified.kind, unverified.days) == (StepKind.WAIT, 1)
    assert "assumes that a check verifies" in unverified.assumes[0]


def test_optional_tasks_are_left_out(tenant: Tenant) -> None:
    inputs = inputs_of(tenant)

    assert find(tenant, "branding") is None
    assert inputs.assumes == ("The forecast leaves out 10 optional tasks without a start.",)
    set_task(tenant, "branding", manual_status="in_progress")
    assert find(tenant, "branding") is not None


def test_open_question_precedes_its_task(tenant: Tenant, consultant: User) -> None:
    task = task_of(tenant, "spf-update")
    question = NewComment("Who publishes it?", asked_side="client")
    add_comment(task, question, by=consultant, side="mimecast")

    answer = step_of(tenant, "question:spf-update")

    assert (answer.side, answer.days, answer.after) == ("client", 1, ())
    assert "question:spf-update" in step_of(tenant, "spf-update").after


def test_time_of_a_question_is_not_subtracted(tenant: Tenant, consultant: User) -> None:
    task = task_of(tenant, "initial-conversation")
    question = NewComment("When?", asked_side="client")
    add_comment(task, question, by=consultant, side="mimecast")
    Task.objects.filter(pk=task.pk).update(waiting_since=at("Mon 08:00") - 9 * DAY)

    step = step_of(tenant, "initial-conversation")

    assert (step.days, step.assumes) == (1, ())


def test_completed_plan_ends_today(tenant: Tenant) -> None:
    Task.objects.filter(plan=tenant.plan).update(status="done")
    tenant = Tenant.objects.select_related("plan").get(pk=tenant.pk)

    found = forecasts_of([tenant], now=timezone.now())[tenant.pk]

    assert (found.finish, found.path) == (MONDAY, ())


# --- Waits for records


def test_open_ttl_task_starts_the_wait(tenant: Tenant) -> None:
    unknown = step_of(tenant, "ttl:northwind.test")
    observe(tenant, CheckKind.MX_TTL, at("Mon 07:00"), ttl=172_800, verdict="fail")
    known = step_of(tenant, "ttl:northwind.test")

    assert (unknown.days, unknown.basis) == (1, "TTL of 86400 s")
    assert (known.days, known.basis) == (2, "TTL of 172800 s")
    assert known.after == ("mx-ttl-update",)
    switch = step_of(tenant, "mx-record-cutover")
    assert "ttl:northwind.test" in switch.after
    assert not any("TTL" in text for text in switch.assumes)


def test_lowered_ttl_is_a_bound(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX_TTL, at("Mon 06:00"), ttl=259_200, verdict="fail")
    observe(tenant, CheckKind.MX_TTL, at("Mon 07:00"), ttl=300)

    (bound,) = step_of(tenant, "mx-record-cutover").bounds

    assert bound.day == MONDAY + 3 * DAY
    assert bound.reason == "The former MX answers of northwind.test expire Thu 3 Dec 07:00 UTC"
    assert find(tenant, "ttl:northwind.test") is None


def test_moved_domain_has_no_wait(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MX_TTL, at("Mon 06:00"), ttl=86_400, verdict="fail")
    observe(tenant, CheckKind.MX_TTL, at("Mon 07:00"), ttl=86_400, values=MX_HOSTS)

    assert step_of(tenant, "mx-record-cutover").bounds == ()
    assert find(tenant, "ttl:northwind.test") is None


def test_unknown_safe_time_is_an_assumption(tenant: Tenant) -> None:
    complete(tenant, "mx-ttl-update")
    observe(tenant, CheckKind.MX_TTL, at("Mon 07:00"), ttl=None, verdict="unknown")

    switch = step_of(tenant, "mx-record-cutover")

    assert switch.bounds == ()
    assert any("The safe time of northwind.test is not known." in text for text in switch.assumes)


NOT_PERMITTED = [{"code": "mta-sts.not-permitted", "params": {"hosts": ["x"], "max_age": 604_800}}]
PERMITS = [{"code": "mta-sts.permits", "params": {"mode": "enforce", "max_age": 604_800}}]


def test_policy_without_new_hosts_delays_the_switch(tenant: Tenant) -> None:
    observe(tenant, CheckKind.MTA_STS, at("Mon 07:00"), findings=NOT_PERMITTED, verdict="fail")

    wait, switch = step_of(tenant, "mta-sts:northwind.test"), step_of(tenant, "mx-record-cutover")

    assert (wait.days, wait.basis) == (7, "max_age of 604800 s")
    assert wait.key in switch.after


def test_changed_policy_waits_for_its_max_age(tenant: Tenant) -> None:
    seen_at = at("Mon 07:00") - 2 * DAY
    observe(tenant, CheckKind.MTA_STS, seen_at, findings=NOT_PERMITTED, verdict="fail")
    observe(tenant, CheckKind.MTA_STS, at("Mon 07:00"), findings=PERMITS)

    (bound,) = step_of(tenant, "mx-record-cutover").bounds

    assert bound.day == MONDAY + 7 * DAY
    assert "Cached MTA-STS policies of northwind.test expire Mon 7 Dec 07:00 UTC" in bound.reason


@pytest.mark.parametrize(
    ("findings", "verdict", "is_assumed"), [(PERMITS, "pass", False), ([], "unknown", True)]
)
def test_unknown_policy_is_an_assumption(
    tenant: Tenant, findings: list[dict[str, Any]], verdict: str, is_assumed: bool
) -> None:
    observe(tenant, CheckKind.MTA_STS, at("Mon 07:00"), findings=findings, verdict=verdict)

    texts = step_of(tenant, "mx-record-cutover").assumes

    assert any("MTA-STS" in text for text in texts) == is_assumed


def test_lockdown_waits_for_caches(tenant: Tenant) -> None:
    set_task(tenant, "connection-lockdown", manual_status="in_progress")
    before = step_of(tenant, "connection-lockdown")
    complete(tenant, "mx-record-cutover")
    unknown = step_of(tenant, "connection-lockdown")
    observe(tenant, CheckKind.MX, at("Mon 06:00"), ttl=86_400, values=OLD, verdict="fail")
    observe(tenant, CheckKind.MX, at("Mon 07:00"), ttl=300, values=MX_HOSTS)
    after = step_of(tenant, "connection-lockdown")

    assert "caches" in before.after
    assert "safe time of the lockdown is not known" in unknown.assumes[0]
    # 24 h after the last old answer, plus 4 h.
    assert [(bound.day, bound.reason) for bound in after.bounds] == [
        (MONDAY + DAY, "The lockdown is safe from Tue 1 Dec 11:00 UTC")
    ]


@pytest.mark.parametrize(
    ("moment", "windows", "expected"),
    [
        ("Tue 10:00", [], "Tue"),
        ("Tue 18:00", [], "Wed"),
        ("Tue 18:00", ["Tue 19:00"], "Tue"),
        ("Tue 18:00", ["Tue 17:30"], "Wed"),
        ("Tue 10:00", ["Tue 09:00"], "Wed"),
        ("Tue 10:00", ["Wed 09:00"], "Tue"),
    ],
)
def test_day_after_a_safe_time(
    tenant: Tenant, moment: str, windows: list[str], expected: str
) -> None:
    tenant = Tenant.objects.select_related("plan").get(pk=tenant.pk)
    rows = load_rows([tenant], now=timezone.now())[0]
    planned = [Cutover(direction="inbound", planned_at=at(each)) for each in windows]

    assert f"{day_after(at(moment), rows, planned).day:%a}" == expected


# --- Cutovers


def test_window_and_outbound_days(tenant: Tenant) -> None:
    out = cutover_of(tenant, "outbound", at("3 Thu 19:00"))
    inbound = cutover_of(tenant, "inbound", at("3 Fri 19:00"))
    Cutover.objects.filter(pk=inbound.pk).update(outbound_days=5)

    found = forecast_of(inputs_of(tenant))

    assert found.window_days == {
        out.public_id: date(2026, 12, 17),
        inbound.public_id: date(2026, 12, 22),
    }
    assert step_of(tenant, "outbound-days").days == 5


def test_running_outbound_days_are_a_bound(tenant: Tenant) -> None:
    complete(tenant, "outbound-cutover")

    step = step_of(tenant, "outbound-days")

    assert [
        (bound.day, bound.reason.endswith("end Thu 3 Dec 08:00 UTC")) for bound in step.bounds
    ] == [(MONDAY + 3 * DAY, True)]
    assert step.days == 0


def test_window_that_is_over_is_an_assumption(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", timezone.now() - DAY)

    step = step_of(tenant, "outbound-cutover")

    assert step.windows == ()
    assert step.assumes == (
        "Every outbound window is over, and “Outbound Cutover” is open. The forecast assumes a new"
        " window.",
    )


def test_domain_in_no_cutover_is_unplanned(make_tenant: MakeTenant) -> None:
    tenant = make_tenant(domains=(("a.test", "primary"), ("b.test", "secondary")))
    cutover_of(tenant, "outbound", at("3 Thu 19:00"), "a.test")
    cutover_of(tenant, "inbound", at("4 Thu 19:00"))

    outbound, inbound = step_of(tenant, "outbound-cutover"), step_of(tenant, "mx-record-cutover")

    assert (outbound.is_unplanned, inbound.is_unplanned) == (True, False)


def test_freeze_and_holidays_move_the_cutover(tenant: Tenant) -> None:
    before = forecast_of(inputs_of(tenant)).end_of("outbound-cutover")
    assert before is not None
    Freeze.objects.create(first_day=before, last_day=before + DAY, reason="Year end")
    Holiday.objects.create(tenant=tenant, day=before + 2 * DAY, name="Day")

    after = forecast_of(inputs_of(tenant)).end_of("outbound-cutover")

    assert after is not None
    assert after > before + 2 * DAY


def test_accepted_freeze_is_ignored(tenant: Tenant) -> None:
    cutover = cutover_of(tenant, "outbound", at("4 Thu 19:00"))
    freeze = Freeze.objects.create(
        first_day=date(2026, 12, 24), last_day=date(2026, 12, 24), reason="Year end"
    )
    refused = forecast_of(inputs_of(tenant)).window_days
    Cutover.objects.filter(pk=cutover.pk).update(accepted_blockers=[f"freeze:{freeze.public_id}"])
    accepted = forecast_of(inputs_of(tenant)).window_days

    assert list(refused.values()) == [date(2026, 12, 25)]
    assert list(accepted.values()) == [date(2026, 12, 24)]


def test_each_side_has_its_working_days(tenant: Tenant) -> None:
    WorkingTime.objects.create(tenant=tenant, weekdays="60123")
    Holiday.objects.create(tenant=tenant, day=date(2026, 12, 1), name="Day")

    calendars = inputs_of(tenant).calendars

    tuesday, friday, sunday = date(2026, 12, 1), date(2026, 12, 4), date(2026, 12, 6)
    found = {
        side: [calendar.is_working(day) for day in (tuesday, friday, sunday)]
        for side, calendar in calendars.items()
    }
    assert found == {
        "client": [False, False, True],
        "mimecast": [True, True, False],
        "both": [False, False, False],
    }
    weekend = side_calendars(
        calendars["client"].__class__(calendars["client"].zone, frozenset({5}))
    )
    assert weekend["both"].weekdays == {5}


def test_holiday_of_mimecast_counts_for_its_side(tenant: Tenant, make_tenant: MakeTenant) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),))
    Holiday.objects.create(day=date(2026, 12, 1), name="Mimecast")
    Holiday.objects.create(tenant=other, day=date(2026, 12, 2), name="Theirs")

    calendars = inputs_of(tenant).calendars

    tuesday, wednesday = date(2026, 12, 1), date(2026, 12, 2)
    found = {
        side: [calendar.is_working(day) for day in (tuesday, wednesday)]
        for side, calendar in calendars.items()
    }
    assert found == {"client": [True, True], "mimecast": [False, True], "both": [False, True]}


def test_holidays_of_mimecast_move_the_forecast(tenant: Tenant) -> None:
    before = forecasts_of([tenant], now=timezone.now())[tenant.pk].finish
    for number in range(5):
        Holiday.objects.create(day=MONDAY + number * DAY, name="Mimecast")

    after = forecasts_of([tenant], now=timezone.now())[tenant.pk].finish

    assert after > before


# --- Groups and skipped tasks


def test_group_ends_with_its_tasks(tenant: Tenant) -> None:
    group = step_of(tenant, "connectivity")
    dependents = step_of(tenant, "inbound-delivery-routes").after

    assert group.kind is StepKind.GROUP
    assert "office-365-connection-filter" in group.after
    assert dependents == ("connectivity",)


def test_skipped_task_passes_on_its_dependencies(tenant: Tenant) -> None:
    # Branding is optional and not started, so its own dependency counts.
    assert step_of(tenant, "notification-sets").after == ("account-creation",)


def test_forecasts_of_many_tenants_are_the_same(
    make_tenant: MakeTenant, django_assert_num_queries: Any
) -> None:
    tenants = [make_tenant(f"T{n}", domains=((f"t{n}.test", "primary"),)) for n in range(3)]
    cutover_of(tenants[1], "outbound", at("5 Thu 19:00"))
    # The day before the closing: a weekend would hide a day before the outbound cutover.
    Holiday.objects.create(tenant=tenants[2], day=date(2026, 12, 28), name="Day")
    alone = {t.pk: forecast_of(inputs_of(t)).finish for t in tenants}
    loaded = list(Tenant.objects.select_related("plan").filter(pk__in=alone))

    with django_assert_num_queries(13):
        together = forecasts_of(loaded, now=timezone.now())

    assert {pk: each.finish for pk, each in together.items()} == alone
    assert len(set(alone.values())) == 3
