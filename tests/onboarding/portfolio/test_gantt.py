"""The Gantt chart and the table of the schedule page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from onboarding.models import Freeze, Task
from onboarding.plans.dates import calendar_of
from onboarding.plans.domain_progress import progress_by_task
from onboarding.plans.evaluation import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.rows import Viewer, rows_of
from onboarding.plans.schedule import SORT_KEYS, PlanSchedule, plan_schedule
from onboarding.portfolio.forecast_card import load_card
from onboarding.portfolio.gantt import Gantt, gantt_of
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
    assert row.label == "Fri 27 Nov"


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
