"""The figures of the dashboard: stored values, medians, local days, and the list of each number."""

from __future__ import annotations

import random
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from onboarding.models import (
    AcceptedResidualRisk,
    Cutover,
    Monitoring,
    Phase,
    PhaseTime,
    Plan,
    PlanFigures,
    Task,
    WaitingPeriod,
)
from onboarding.plans.business_time import Calendar
from onboarding.portfolio import dashboard_calendar, dashboard_figures, risk_updates
from onboarding.portfolio.accepted_risks import accepted_risk_rows, accepted_risks
from onboarding.portfolio.figures import FigureFacts, Wait, phase_times
from onboarding.portfolio.medians import Median, medians
from onboarding.portfolio.quarters import Quarter
from tenants.models import Tenant, User
from tests.clock import frozen
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn

MONDAY = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)


# --- Pure figures


@pytest.mark.parametrize(
    ("day", "expected", "before"),
    [
        (date(2026, 1, 1), "2026-Q1", "2025-Q4"),
        (date(2026, 3, 31), "2026-Q1", "2025-Q4"),
        (date(2026, 11, 30), "2026-Q4", "2026-Q3"),
    ],
)
def test_quarter_of_a_day(day: date, expected: str, before: str) -> None:
    quarter = Quarter.of(day)

    assert (str(quarter), str(quarter.before)) == (expected, before)
    assert quarter.first <= day <= quarter.last
    assert Quarter.parse(expected) == quarter
    assert quarter.after.before == quarter


@pytest.mark.parametrize("text", ["", "2026", "2026-Q5", "1026-Q1", "2026-Q4x"])
def test_other_text_is_no_quarter(text: str) -> None:
    assert Quarter.parse(text) is None


def _facts(waits: list[Wait], *, complete: int = 0) -> FigureFacts:
    phase = Phase(pk=1, key="one", position=1, tasks_total=2, tasks_complete=complete)
    status = "done" if complete == 2 else "todo"
    tasks = [
        Task(pk=n, phase_id=1, key=f"t{n}", status=status, status_changed_at=MONDAY + n * DAY)
        for n in (1, 2)
    ]
    zone = zoneinfo.ZoneInfo("UTC")
    return FigureFacts([phase], tasks, [], None, waits, 0, Calendar(zone), MONDAY + 10 * DAY)


def test_phase_counts_each_waiting_day_once() -> None:
    """Two tasks wait on the client from Monday to Wednesday, and from Tuesday to Thursday."""
    waits = [
        Wait(1, "client", MONDAY, MONDAY + 2 * DAY),
        Wait(2, "both", MONDAY + DAY, MONDAY + 3 * DAY),
    ]

    times = phase_times(_facts(waits))

    assert times[1] == {
        "started_on": MONDAY.date(),
        "completed_on": None,
        # From Monday to Thursday of the next week.
        "days": 8,
        "mimecast_days": 2,
        "client_days": 3,
    }


def test_completed_phase_ends_with_its_last_task() -> None:
    waits = [Wait(1, "client", MONDAY, None)]

    times = phase_times(_facts(waits, complete=2))

    assert times[1]["completed_on"] == (MONDAY + 2 * DAY).date()
    assert (times[1]["days"], times[1]["client_days"]) == (2, 2)


def test_weekend_is_no_waiting_day() -> None:
    friday = MONDAY + 4 * DAY
    facts = replace(_facts([Wait(1, "client", friday, friday + 3 * DAY)]), now=friday + 3 * DAY)

    assert phase_times(facts)[1]["client_days"] == 1


# --- Stored figures


def _update(tenant: Tenant) -> PlanFigures:
    risk_updates.update([tenant.pk])
    return PlanFigures.objects.get(plan=tenant.plan)


def test_figures_follow_the_plan(tenant: Tenant) -> None:
    with frozen(MONDAY):
        Plan.objects.update(risks_revision=None)
        tasks = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)
        tasks.update(due_on=None, original_due_on=None, waiting_on="", waiting_since=None)
        first, second = list(tasks.order_by("position"))[:2]
        Task.objects.filter(pk=first.pk).update(
            due_on=date(2026, 12, 4), original_due_on=date(2026, 12, 1), waiting_on="mimecast",
            waiting_since=MONDAY - DAY,
        )  # fmt: skip
        Task.objects.filter(pk=second.pk).update(
            waiting_on="client", waiting_since=MONDAY - 2 * DAY
        )
        made = cutover_of(tenant, "outbound", MONDAY + 9 * DAY)

        found = _update(tenant)

        calendar = Calendar(zoneinfo.ZoneInfo(tenant.time_zone))
        assert found.forecast_on is not None
        assert found.late_days == calendar.working_days_from(date(2026, 12, 4), found.forecast_on)
        assert found.slip_days == calendar.working_days_from(date(2026, 12, 1), found.forecast_on)
        assert (found.waiting_on, found.waiting_since) == ("client", MONDAY - 2 * DAY)
        assert found.next_cutover_at == made.planned_at
        assert found.current_phase == tenant.plan.phases.all()[0].key


def test_unchanged_figures_remain(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", timezone.now() + 40 * DAY)
    _update(tenant)
    before = (PlanFigures.objects.get(), list(PhaseTime.objects.values()))

    risk_updates.update([tenant.pk])

    assert before == (PlanFigures.objects.get(), list(PhaseTime.objects.values()))


def test_closed_tenant_keeps_no_window_ahead(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", timezone.now() + 4 * DAY)
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())

    found = _update(tenant)

    assert (found.next_cutover_at, found.forecast_on, found.follow_up) == (None, None, 0)


def test_drift_of_a_closed_tenant_is_follow_up(tenant: Tenant) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())
    tenant.drifts.create(kind="region_changed", subject="us", opened_at=timezone.now())

    assert _update(tenant).follow_up == 1


# --- SQL


@pytest.mark.parametrize("values", [[5], [1, 4], [9, 1, 5], [2, 2, 8, 10], []])
def test_median_in_sql(make_tenant: MakeTenant, values: list[int]) -> None:
    tenant = make_tenant()
    phases = list(Phase.objects.filter(plan=tenant.plan))[: len(values)]
    for phase, days in zip(phases, values, strict=True):
        PhaseTime.objects.create(
            phase=phase, started_on=MONDAY, completed_on=MONDAY, days=days, mimecast_days=0,
            client_days=0,
        )  # fmt: skip

    found = medians(PhaseTime.objects.all(), "days", ["completed_on"])

    ordered = sorted(values)
    middle = (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2 if values else 0
    expected = {(MONDAY.date(),): Median(middle, len(values))} if values else {}
    assert found == expected


ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Australia/Lord_Howe")


def test_local_day_agrees_with_python(make_tenant: MakeTenant) -> None:
    chosen = random.Random(5)
    expected: dict[date, set[int]] = {}
    for number, zone in enumerate(ZONES):
        tenant = make_tenant(zone, ((f"z{number}.test", "primary"),))
        Tenant.objects.filter(pk=tenant.pk).update(time_zone=zone)
        for direction in ("outbound", "inbound"):
            at = MONDAY + timedelta(minutes=chosen.randint(-3000, 30000))
            made = cutover_of(tenant, direction, at)
            local = at.astimezone(zoneinfo.ZoneInfo(zone)).date()
            expected.setdefault(local, set()).add(made.pk)

    first = MONDAY.date() - 3 * DAY
    found = dashboard_calendar.cutovers_of(Tenant.objects.all(), first, 30)

    by_day: dict[date, set[int]] = {}
    for pk, day in found.values_list("pk", "day"):
        by_day.setdefault(day, set()).add(pk)
    assert by_day == expected


def test_calendar_of_weeks_and_quarter_agree(make_tenant: MakeTenant) -> None:
    for number in range(6):
        tenant = make_tenant(f"T{number}", ((f"t{number}.test", "primary"),))
        cutover_of(tenant, "outbound", MONDAY + timedelta(hours=3))
        cutover_of(tenant, "inbound", MONDAY + number * 9 * DAY)

    weeks = dashboard_calendar.calendar_of(Tenant.objects.all(), MONDAY.date(), is_quarter=False)
    quarter = dashboard_calendar.calendar_of(Tenant.objects.all(), MONDAY.date(), is_quarter=True)

    days = {day.day: day for week in weeks.weeks for day in week.days}
    in_quarter = {day.day: day.number for week in quarter.weeks for day in week.days}
    assert days[MONDAY.date()].number == 7
    assert (len(days[MONDAY.date()].cutovers), days[MONDAY.date()].more) == (4, 3)
    assert {day: each.number for day, each in days.items()} == {d: in_quarter[d] for d in days}
    assert quarter.number == sum(in_quarter.values()) == 12


def test_go_lives_have_the_median_of_each_quarter(make_tenant: MakeTenant) -> None:
    for number, (days, at) in enumerate([(30, 0), (50, 0), (100, -92), (10, -2000)]):
        tenant = make_tenant(f"T{number}", ((f"t{number}.test", "primary"),))
        live = MONDAY + timedelta(days=at)
        Plan.objects.filter(tenant=tenant).update(created_at=live - timedelta(days=days))
        Monitoring.objects.create(tenant=tenant, started_at=live, reason="cutover")

    found = dashboard_figures.go_lives_of(Tenant.objects.all(), Quarter(2026, 4))

    assert [(q.number, q.days) for q in found.quarters[-3:]] == [(0, None), (1, 100), (2, 40)]
    assert found.change == -60
    assert "Q3 2026 100, Q4 2026 40" in found.line


# --- Accepted risks


def test_accepted_risks_name_person_and_reason(tenant: Tenant, consultant: User) -> None:
    now = timezone.now()
    task = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)[0]
    Task.objects.filter(pk=task.pk).update(
        status="accepted_risk", manual_status="accepted_risk", status_reason="Booked.",
        status_set_by=consultant, accepted_until=now + 3 * DAY,
    )  # fmt: skip
    window = cutover_of(tenant, "outbound", now + 2 * DAY)
    Cutover.objects.filter(pk=window.pk).update(
        confirmed_at=now, confirmed_by=consultant, accepted_risk="Agreed."
    )
    for kind, end in (("lockdown", None), ("mx-ttl", now - DAY)):
        AcceptedResidualRisk.objects.create(
            tenant=tenant, kind=kind, state="open", ends_at=end, sentence=kind, reason="Known.",
            accepted_by=consultant,
        )  # fmt: skip

    found = accepted_risks(Tenant.objects.all(), now=now)

    rows = accepted_risk_rows(list(found))
    assert [(row.subject, row.reason, row.by) for row in rows] == [
        ("Outbound cutover: confirmed with blockers", "Agreed.", consultant),
        (task.title, "Booked.", consultant),
        ("lockdown", "Known.", consultant),
    ]
    assert [row.until is None for row in rows] == [False, False, True]


# --- Every number leads to a list with as many rows


def _world(make_tenant: MakeTenant, consultant: User) -> None:
    """Tenants at random places: cutovers, risks, waits, completed phases, go-lives, closings."""
    chosen = random.Random(11)
    for number in range(14):
        tenant = make_tenant(
            f"T{number}",
            ((f"t{number}.test", "primary"),),
            consultant=consultant if number % 3 else None,
        )
        Tenant.objects.filter(pk=tenant.pk).update(time_zone=ZONES[number % 5])
        for direction in chosen.sample(["outbound", "inbound"], chosen.randint(0, 2)):
            days = chosen.randint(-1, 20)
            cutover_of(tenant, direction, timezone.now() + timedelta(days=days, hours=1))
        for change in chosen.sample(CHANGES, chosen.randint(0, 3)):
            change(tenant, consultant)
        if number > 10:
            Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())
    Plan.objects.update(revision=F("revision") + 1)
    risk_updates.update(list(Tenant.objects.values_list("pk", flat=True)))


def _complete_a_phase(tenant: Tenant, by: User) -> None:
    first = Phase.objects.filter(plan=tenant.plan, position=1)
    Task.objects.filter(phase__in=first).update(status="done", status_changed_at=timezone.now())
    first.update(tasks_complete=F("tasks_total"))


def _regress(tenant: Tenant, by: User) -> None:
    task = Task.objects.filter(plan=tenant.plan, is_group=False, applies=True)[3]
    Task.objects.filter(pk=task.pk).update(status="regressed", regressed_at=timezone.now())


def _accept_a_risk(tenant: Tenant, by: User) -> None:
    task = Task.objects.filter(plan=tenant.plan, is_group=False, applies=True)[5]
    Task.objects.filter(pk=task.pk).update(
        status="accepted_risk",
        manual_status="accepted_risk",
        status_reason="Known.",
        status_set_by=by,
        accepted_until=timezone.now() + DAY,
    )


def _go_live(tenant: Tenant, by: User) -> None:
    Monitoring.objects.create(tenant=tenant, started_at=timezone.now(), reason="cutover")
    tenant.drifts.create(kind="region_changed", subject="us", opened_at=timezone.now())


CHANGES = (_complete_a_phase, _regress, _accept_a_risk, _go_live)
LINK = re.compile(r'<a([^>]*)href="(/dashboard/[^"#]*)[^"]*"([^>]*)>(.*?)</a>', re.DOTALL)


def _numbers(page: str) -> Iterator[tuple[int, str]]:
    """The number and the address of each link of the dashboard whose text begins with a number.

    A median names the number of its values in the title.
    """
    for before, url, after, content in LINK.findall(page[page.index('id="dashboard"') :]):
        figure = re.search(r'"figure-number">(.*?)<', content, re.DOTALL)
        text = " ".join((figure[1] if figure else re.sub("<.*?>", "", content)).split())
        title = re.search(r"Median of (\d+) completed", before + after)
        number = title or re.match(r"(?:All )?(\d+)\b(?! more| weeks)", text)
        # The figure of the go-lives is a median.
        if number and "go-lives" not in url:
            yield int(number[1]), url.replace("&amp;", "&")


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "calendar=quarter", "consultant={consultant}", "region=us"])
def test_every_number_leads_to_its_rows(
    make_tenant: MakeTenant, manager: User, consultant: User, signed_in: SignIn, query: str
) -> None:
    _world(make_tenant, consultant)
    client = signed_in(manager)

    page = client.get("/dashboard/?" + query.format(consultant=consultant.public_id))

    numbers = list(_numbers(page.content.decode()))
    lists = {url: client.get(url).context["found"].paginator.count for _, url in numbers}
    assert [(number, url) for number, url in numbers if lists[url] != number] == []
    assert len(lists) >= 15
    assert sum(number > 0 for number, _ in numbers) >= 10


@pytest.mark.slow
def test_loads_add_up_to_the_tiles(
    make_tenant: MakeTenant, manager: User, consultant: User, signed_in: SignIn
) -> None:
    _world(make_tenant, consultant)

    client = signed_in(manager)
    # The first request renders rows before the page.
    client.get("/dashboard/")
    context = client.get("/dashboard/").context

    loads, counts = context["loads"], context["figures"]
    assert {load.name for load in loads} == {consultant.name, "No consultant"}
    assert sum(load.active for load in loads) == counts.active
    assert sum(load.at_risk for load in loads) == counts.at_risk
    assert sum(phase.current for phase in context["phases"]) == counts.active


def test_manager_sees_figures_of_followed_consultants(
    make_tenant: MakeTenant, manager: User, consultant: User, signed_in: SignIn
) -> None:
    other = User.objects.create_user("o@gangway.test", "pw", name="Other", staff_role="consultant")
    for person in (consultant, other):
        tenant = make_tenant(person.name, ((f"{person.pk}.test", "primary"),), consultant=person)
        cutover_of(tenant, "outbound", timezone.now() + DAY)
    manager.followed_consultants.add(consultant)
    client = signed_in(manager)

    client.get("/dashboard/")
    page = client.get("/dashboard/").context
    listed = client.get("/dashboard/cutovers/").context["rows"]

    assert [load.name for load in page["loads"]] == [consultant.name]
    assert page["soon"].number == 1
    assert [row.plan.tenant.name for row in listed] == [consultant.name]


@pytest.mark.parametrize("state", ["ready", "at-risk", "open", "switched"])
def test_cutover_list_filters_the_state(
    tenant: Tenant, manager: User, signed_in: SignIn, state: str
) -> None:
    cutover = cutover_of(tenant, "outbound", timezone.now() + 30 * DAY)
    client = signed_in(manager)
    client.get("/dashboard/")
    cutover.status.state = state
    cutover.status.save()

    days = f"/dashboard/cutovers/?days=40&state={state}"

    assert [row.pk for row in client.get(days).context["rows"]] == [cutover.pk]
    other = "open" if state != "open" else "ready"
    assert list(client.get(days.replace(state, other)).context["rows"]) == []


@pytest.mark.parametrize(
    "query",
    [
        "first=x",
        "first=2026-02-31",
        "first=9999-12-31",
        "first=0001-01-01",
        "days=x",
        "days=999999",
        "state=?",
    ],
)
def test_wrong_values_of_a_list_are_ignored(
    tenant: Tenant, manager: User, signed_in: SignIn, query: str
) -> None:
    response = signed_in(manager).get(f"/dashboard/cutovers/?{query}")

    assert (response.status_code, response.context["found"].paginator.count) == (200, 0)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_no_tenant_switches_in_an_impossible_year(
    tenant: Tenant, manager: User, signed_in: SignIn, day: str
) -> None:
    cutover_of(tenant, "outbound", timezone.now() + DAY)
    client = signed_in(manager)

    # The first request renders rows before the page.
    client.get("/dashboard/")
    pages = [client.get(f"/dashboard/{query}") for query in ("", f"?day={day}")]

    assert [page.context["found"].paginator.count for page in pages] == [1, 0]


def test_waiting_period_appears_in_the_phase(tenant: Tenant) -> None:
    task = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)[0]
    WaitingPeriod.objects.filter(task__plan__tenant=tenant).delete()
    with frozen(MONDAY):
        WaitingPeriod.objects.create(task=task, side="client", started_at=MONDAY - 7 * DAY)
        risk_updates.update([tenant.pk])

        time = PhaseTime.objects.get(phase=task.phase)

    assert (time.days, time.client_days, time.mimecast_days) == (5, 5, 0)


def test_chip_names_the_chosen_risk(tenant: Tenant, manager: User, signed_in: SignIn) -> None:
    page = signed_in(manager).get("/dashboard/?risk=no-approver").content.decode()

    assert '<span class="badge">Risk: no approver</span>' in page
    assert "Risk:" not in signed_in(manager).get("/dashboard/?risk=x").content.decode()
