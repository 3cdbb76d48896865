"""The Gantt chart and the table of the schedule page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Freeze, Task
from onboarding.plans.dates import calendar_of
from onboarding.plans.domain_progress import progress_by_task
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.rows import Viewer, rows_of
from onboarding.plans.schedule import SORT_KEYS, PlanSchedule, plan_schedule
from onboarding.portfolio.forecast_card import load_card
from onboarding.portfolio.gantt import Gantt, gantt_of
from onboarding.portfolio.gantt_links import GanttLink, PathStop, links_of
from onboarding.templatetags.plan_tags import first_sentence, working_days
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import SignIn, task_of
from tests.markup import texts

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
TODAY = date(2026, 11, 23)


def schedule_of(tenant: Tenant) -> PlanSchedule:
    viewer = Viewer(progress=progress_by_task(tenant))
    rows = rows_of(list(tasks_of(tenant.plan)), PlanContext.of(tenant), viewer)
    return plan_schedule(tenant.plan, rows, now=NOW)


def chart_of(tenant: Tenant, *, freezes: tuple[Freeze, ...] = ()) -> Gantt:
    chart = gantt_of(
        schedule_of(tenant),
        load_card(tenant, {}, now=NOW).forecast,
        cutovers=list(tenant.plan.cutovers.all()),
        freezes=freezes,
        calendar=calendar_of(tenant),
        today=TODAY,
    )
    assert chart is not None
    return chart


def row_of(chart: Gantt, key: str):  # type: ignore[no-untyped-def]
    (row,) = [row for row in chart.rows if row.dated and row.dated.task.key == key]
    return row


def places(chart: Gantt) -> list[float]:
    text = repr((chart.rows, chart.bands, chart.weeks, chart.today_x))
    return [float(number) for number in re.findall(r"'(-?[\d.]+)%'", text)]


def test_chart_has_every_task_and_phase(tenant: Tenant) -> None:
    chart = chart_of(tenant)

    tasks = [task for phase in schedule_of(tenant).phases for task in phase.tasks]
    assert sum(row.phase is None for row in chart.rows) == len(tasks)
    assert all(row.description for row in chart.rows)


def test_every_place_is_inside_the_chart(tenant: Tenant) -> None:
    Task.objects.filter(plan=tenant.plan, key="spf-update").update(due_on=date(1900, 1, 1))
    Task.objects.filter(plan=tenant.plan, key="branding").update(original_due_on=date(9999, 1, 1))

    assert [place for place in places(chart_of(tenant)) if not 0 <= place <= 100] == []


def test_late_task_has_its_delay(tenant: Tenant) -> None:
    Task.objects.filter(plan=tenant.plan, key="spf-update").update(due_on=date(2026, 11, 19))

    row = row_of(chart_of(tenant), "spf-update")

    assert row.label == "2 working days late"


def test_slip_has_the_original_date(tenant: Tenant) -> None:
    Task.objects.filter(plan=tenant.plan, key="spf-update").update(
        due_on=date(2026, 11, 27), original_due_on=date(2026, 11, 25)
    )

    row = row_of(chart_of(tenant), "spf-update")

    assert row.label == "due Fri 27 Nov · 2 working days later than planned"
    assert float(row.original_x[:-1]) < float(row.due_x[:-1])


def test_cutover_is_a_mark_at_its_window(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", NOW + timedelta(days=4))

    row = row_of(chart_of(tenant), "outbound-cutover")

    assert (len(row.windows), row.bars) == (1, ())
    assert row.label == "Fri 27 Nov · expected Thu 10 Dec"


def test_late_cutover_has_its_delay(tenant: Tenant) -> None:
    """The colour alone states nothing to a reader who cannot see it."""
    cutover_of(tenant, "outbound", NOW + timedelta(days=4))
    Task.objects.filter(plan=tenant.plan, key="outbound-cutover").update(due_on=date(2026, 11, 19))

    row = row_of(chart_of(tenant), "outbound-cutover")

    assert row.label.startswith("Fri 27 Nov · 2 working days late")


def test_outbound_days_are_a_wait(tenant: Tenant) -> None:
    (bar,) = row_of(chart_of(tenant), "outbound-days").bars

    assert bar.kind == "agreed-days"


def test_freeze_and_weekends_are_shaded(tenant: Tenant) -> None:
    freeze = Freeze(first_day=TODAY, last_day=TODAY + timedelta(days=3), reason="Sale")

    kinds = {band.kind for band in chart_of(tenant, freezes=(freeze,)).bands}

    assert kinds == {"weekend", "freeze"}


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, ""),
        (0.04, ""),
        (0.05, "less than 1 working day"),
        (0.949, "less than 1 working day"),
        (0.95, "1 working day"),
        (1.04, "1 working day"),
        (1.06, "1.1 working days"),
        (12, "12 working days"),
    ],
)
def test_working_days_in_words(days: float, text: str) -> None:
    assert working_days(days) == text


@pytest.mark.parametrize("hundredths", range(0, 400, 7))
def test_no_number_of_days_is_zero(hundredths: int) -> None:
    assert not re.search(r"\b0(\.0)? working", working_days(hundredths / 100))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("One. Two.", "One."), ("One.", "One."), ("Use v1.2 now. Then.", "Use v1.2 now."), ("", "")],
)
def test_first_sentence_is_whole(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


@pytest.mark.parametrize("column", [*SORT_KEYS, *(f"-{name}" for name in SORT_KEYS)])
def test_sorted_table_has_every_task(tenant: Tenant, column: str) -> None:
    Task.objects.filter(plan=tenant.plan, key="branding").update(due_on=None)
    timing = schedule_of(tenant)

    found = timing.sorted_by(column)

    tasks = [task.task.key for phase in timing.phases for task in phase.tasks]
    assert sorted(each.task.key for each in found) == sorted(tasks)
    values = [SORT_KEYS[column.removeprefix("-")](each) for each in found]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=column.startswith("-"))
    assert values[len(known) :] == [None] * (len(values) - len(known))


def test_unknown_column_leaves_the_phases(tenant: Tenant) -> None:
    assert schedule_of(tenant).sorted_by("title") == []


def test_schedule_page_has_chart_and_table(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover_of(tenant, "outbound", timezone.now() + timedelta(days=4))

    page = signed_in(consultant).get(reverse("onboarding:schedule", args=[tenant.public_id]))

    html = page.content.decode()
    (chart,) = texts(html, ".gantt")
    assert task_of(tenant, "outbound-cutover").title in chart
    assert "0.0" not in " ".join(texts(html, "#schedule"))


def test_sorted_page_states_its_order(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    address = reverse("onboarding:schedule", args=[tenant.public_id])

    html = signed_in(consultant).get(address, {"sort": "-due"}).content.decode()

    assert html.count('aria-sort="descending"') == 1
    assert 'scope="rowgroup"' not in html


# --- The critical path


def stop(row: int, first: int, last: int) -> PathStop:
    return PathStop(row, f"{first}.5%", f"{first}%", f"{last}.5%")


def test_line_down_crosses_the_rows_between() -> None:
    assert links_of([stop(1, 2, 4), stop(4, 7, 8)]) == {
        1: [GanttLink("4.5%", "20", "100%")],
        2: [GanttLink("4.5%", "0", "100%")],
        3: [GanttLink("4.5%", "0", "100%")],
        4: [GanttLink("4.5%", "0", "14", "7%")],
    }


def test_line_up_ends_below_its_bar() -> None:
    assert links_of([stop(3, 2, 4), stop(2, 4, 6)]) == {
        3: [GanttLink("4.5%", "0", "8")],
        2: [GanttLink("4.5%", "20", "100%")],
    }


def test_one_step_has_no_line() -> None:
    assert links_of([stop(1, 2, 4)]) == {}


def test_lines_follow_the_path_of_the_forecast(tenant: Tenant) -> None:
    """Each row of the path has the ends of its lines, and no other row has an end."""
    chart = chart_of(tenant)
    forecast = load_card(tenant, {}, now=NOW).forecast
    keys = [row.dated.task.key if row.dated else "" for row in chart.rows]
    on_path = [keys.index(span.step.key) for span in forecast.path if span.step.key in keys]

    ends = [
        number
        for number, row in enumerate(chart.rows)
        for link in row.links
        if (link.y1, link.y2) != ("0", "100%")
    ]

    assert len(on_path) > 5
    assert sorted(ends) == sorted([*on_path[:-1], *on_path[1:]])
    assert [
        n
        for n, each in enumerate(keys)
        if each and chart.expected.get(each) and chart.expected[each].is_critical
    ] == sorted(on_path)


def test_every_line_reaches_the_next_row(tenant: Tenant) -> None:
    chart = chart_of(tenant)

    for upper, lower in pairwise(chart.rows):
        down = sorted(link.x for link in upper.links if link.y2 == "100%")
        up = sorted(link.x for link in lower.links if link.y1 == "0")
        assert down == up


def test_closed_plan_has_no_critical_path(tenant: Tenant) -> None:
    chart = gantt_of(
        schedule_of(tenant),
        None,
        cutovers=(),
        freezes=(),
        calendar=calendar_of(tenant),
        today=TODAY,
    )

    assert chart is not None
    assert [row for row in chart.rows if row.links or row.expected_x] == []
    assert chart.expected == {}


def test_late_cutover_shows_its_expected_day(tenant: Tenant) -> None:
    cutover_of(tenant, "outbound", datetime(2026, 11, 27, 12, tzinfo=UTC))

    row = row_of(chart_of(tenant), "outbound-cutover")

    expected = chart_of(tenant).expected["outbound-cutover"]
    assert row.label.endswith(f"expected {expected.end:%a} {expected.end.day} {expected.end:%b}")
    assert row.expected_x != row.windows[0]


def test_table_has_the_dates_of_the_bars(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    address = reverse("onboarding:schedule", args=[tenant.public_id])
    response = signed_in(consultant).get(address)
    chart = response.context["gantt"]
    table = response.content.decode().split('aria-labelledby="schedule-title"')[-1]

    rows = {text.partition(" to do")[0]: text for text in texts(table, "tr")}
    wrong = []
    for row in chart.rows:
        days = chart.expected.get(row.dated.task.key) if row.dated else None
        if days is None:
            continue
        wanted = f"{days.start:%a} {days.start.day} {days.start:%b %Y}"
        if days.end != days.start:
            wanted += f" – {days.end:%a} {days.end.day} {days.end:%b %Y}"
        if days.is_critical:
            wanted += " Critical path"
        text = rows[row.title]
        if wanted not in text or ("Critical path" in text) != days.is_critical:
            wrong.append(row.title)

    assert len(chart.expected) > 30
    assert wrong == []
