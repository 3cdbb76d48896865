"""The Gantt chart of one tenant: phases, tasks, cutovers, waits and slips. Pure.

The chart is a table with one drawing in each row. Lengths are percentages of the row, so that the
chart fits every width, also on paper. The table of the schedule page has the same dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from onboarding.models import Cutover, Freeze, Phase, TaskStatus
from onboarding.plans.business_time import Calendar
from onboarding.plans.forecast import Forecast, StepKind, StepSpan
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.schedule import DatedTask, PlanSchedule
from onboarding.portfolio.gantt_links import GanttLink, PathStop, links_of

_A_DAY = timedelta(days=1)
# Days. A longer chart shows no weekends: they would be thinner than a line.
LONGEST_WITH_WEEKENDS = 150
# Days. Dates that are further away are cut off at the edge of the chart.
_LONGEST_PAST, _LONGEST_FUTURE = 200, 400
_MOST_LABELS = 12


class BarKind(StrEnum):
    DONE = "done"
    OPEN = "open"
    LATE = "late"
    WAIT = "wait"
    OUTBOUND_DAYS = "agreed-days"


@dataclass(frozen=True)
class GanttBar:
    """A bar from a place to another one, in percent of the row."""

    kind: BarKind
    x: str
    width: str
    is_critical: bool = False


@dataclass(frozen=True)
class GanttRow:
    """One phase, or one task with its bars and marks. Places are in percent of the row.

    `label` is next to the bar; `label_x` its place, and `is_label_left` states that it ends there.
    `description` is the row in words.
    """

    title: str
    description: str
    dated: DatedTask | None = None
    phase: Phase | None = None
    bars: tuple[GanttBar, ...] = ()
    bracket: tuple[str, str] | None = None
    due_x: str = ""
    original_x: str = ""
    windows: tuple[str, ...] = ()
    is_cutover: bool = False
    label: str = ""
    label_x: str = ""
    is_label_left: bool = False
    # The expected day of a cutover that cannot happen in its last window.
    expected_x: str = ""
    links: tuple[GanttLink, ...] = ()


@dataclass(frozen=True)
class ExpectedDays:
    """The first and the last day of an open task in the forecast."""

    start: date
    end: date
    is_critical: bool


@dataclass(frozen=True)
class GanttBand:
    """Days without work in the background: a weekend, a holiday or a freeze."""

    kind: str
    x: str
    width: str
    title: str = ""


@dataclass(frozen=True)
class Gantt:
    rows: tuple[GanttRow, ...]
    bands: tuple[GanttBand, ...]
    # The place and the text of each label of the time line.
    weeks: tuple[tuple[str, str], ...]
    today_x: str
    has_original_schedule: bool
    # By the key of the task, for the table: it has the dates of the bars.
    expected: Mapping[str, ExpectedDays] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scale:
    first: date
    last: date

    @property
    def days(self) -> int:
        return max((self.last - self.first).days + 1, 1)

    def share(self, day: date) -> float:
        """The place of the start of a day in percent, at most at the edges."""
        return min(max((day - self.first).days / self.days, 0.0), 1.0) * 100

    def x(self, day: date) -> str:
        return _percent(self.share(day))

    def middle(self, day: date) -> str:
        return _percent(min(self.share(day) + 50 / self.days, 100.0))

    def width(self, start: date, end: date) -> str:
        """The width from the start of a day to the end of another one."""
        return _percent(max(self.share(end + _A_DAY) - self.share(start), 0.4))


@dataclass
class _Chart:
    forecast: Forecast | None
    cutovers: Sequence[Cutover]
    calendar: Calendar
    today: date
    scale: _Scale = field(init=False)

    def __post_init__(self) -> None:
        self.critical = {s.step.key for s in self.forecast.path} if self.forecast else set()

    def span(self, dated: DatedTask) -> StepSpan | None:
        if self.forecast is None or not dated.task.is_open_leaf:
            return None
        return self.forecast.spans.get(dated.task.key)

    def expected(self, dated: DatedTask) -> ExpectedDays | None:
        span, days = self.span(dated), self.days_of(dated)
        if span is None or days is None:
            return None
        return ExpectedDays(*days, span.step.key in self.critical)

    def days_of(self, dated: DatedTask) -> tuple[date, date] | None:
        """The first and the last day of a task's bar; None without any date."""
        span, task = self.span(dated), dated.task
        if span is not None:
            start = min(dated.started_on or span.start, span.start)
            return start, max(span.end, start)
        if not task.is_open_leaf and task.status != TaskStatus.NOT_APPLICABLE:
            end = self.calendar.day_of(task.verified_at or task.status_changed_at)
            return min(dated.started_on or end, end), end
        return (task.due_on, task.due_on) if task.due_on else None

    def windows_of(self, dated: DatedTask) -> list[date]:
        return [
            self.calendar.day_of(cutover.planned_at)
            for cutover in self.cutovers
            if ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)] == dated.task.role
        ]


def gantt_of(
    timing: PlanSchedule,
    forecast: Forecast | None,
    *,
    cutovers: Sequence[Cutover],
    freezes: Iterable[Freeze],
    calendar: Calendar,
    today: date,
) -> Gantt | None:
    """The chart of a plan; None without any date. `forecast` is None for a closed tenant."""
    chart = _Chart(forecast, cutovers, calendar, today)
    tasks = [dated for phase in timing.phases for dated in phase.tasks]
    days = [day for dated in tasks for day in _all_days(chart, dated)]
    if not days:
        return None
    first = max(min(days), today - _LONGEST_PAST * _A_DAY)
    last = min(max(days), today + _LONGEST_FUTURE * _A_DAY)
    # Room for the label of the last bar.
    first, last = min(first, today), max(last, today) + 2 * _A_DAY
    chart.scale = _Scale(first - first.weekday() * _A_DAY, last)
    rows: list[GanttRow] = []
    for phase in timing.phases:
        of_phase = [_row(chart, dated) for dated in phase.tasks]
        if of_phase:
            rows += [_phase_row(chart, phase.phase, phase.tasks), *of_phase]
    expected = {dated.task.key: chart.expected(dated) for dated in tasks}
    return Gantt(
        tuple(_linked(chart, rows)),
        tuple(_bands(chart.scale, calendar, freezes)),
        tuple(_weeks(chart.scale)),
        chart.scale.middle(today),
        timing.has_original_schedule,
        {key: each for key, each in expected.items() if each is not None},
    )


def _linked(chart: _Chart, rows: Sequence[GanttRow]) -> Iterator[GanttRow]:
    """The rows with the lines of the critical path. Steps without a row have none."""
    at = {row.dated.task.key: n for n, row in enumerate(rows) if row.dated is not None}
    path = chart.forecast.path if chart.forecast is not None else ()
    links = links_of([_stop(chart, span, at[k]) for span in path if (k := span.step.key) in at])
    for number, row in enumerate(rows):
        yield replace(row, links=tuple(links.get(number, ())))


def _stop(chart: _Chart, span: StepSpan, row: int) -> PathStop:
    scale, is_cutover = chart.scale, span.step.kind is StepKind.CUTOVER
    middle = scale.middle(span.start)
    edge = middle if is_cutover else scale.x(span.start)
    return PathStop(row, middle, edge, scale.middle(span.end))


def _all_days(chart: _Chart, dated: DatedTask) -> list[date]:
    days = [*(chart.days_of(dated) or ()), *chart.windows_of(dated)]
    task = dated.task
    return [*days, *(day for day in (task.due_on, task.original_due_on) if day is not None)]


def _phase_row(chart: _Chart, phase: Phase, tasks: Sequence[DatedTask]) -> GanttRow:
    days = [day for dated in tasks for day in chart.days_of(dated) or ()]
    counts = f"{phase.tasks_complete} of {phase.tasks_total}" if phase.tasks_total else "–"
    done = f"{counts} done" if phase.tasks_total else "no task applies"
    if not days:
        return GanttRow(phase.title, done, phase=phase)
    start, end = min(days), max(days)
    place, is_left = _label_place(chart.scale, end)
    return GanttRow(
        phase.title,
        f"{_day(start)} to {_day(end)}, {done}",
        phase=phase,
        bracket=(chart.scale.x(start), _percent(chart.scale.share(end + _A_DAY))),
        label=counts,
        label_x=chart.scale.x(start) if is_left else place,
        is_label_left=is_left,
    )


def _row(chart: _Chart, dated: DatedTask) -> GanttRow:
    task, scale = dated.task, chart.scale
    days, windows = chart.days_of(dated), chart.windows_of(dated)
    is_cutover = task.role in ROLE_OF_DIRECTION.values()
    label = _label(chart, dated, windows)
    ends = [*(days or ()), *windows, *(day for day in (task.due_on,) if day and task.is_open_leaf)]
    place, is_left = _label_place(scale, max(ends)) if ends else ("0%", False)
    if is_left:
        place = scale.x(min(ends))
    return GanttRow(
        task.title,
        _description(dated, days, label),
        dated=dated,
        bars=tuple(_bars(chart, dated, days)) if days and not windows else (),
        due_x=scale.middle(task.due_on) if task.due_on and task.is_open_leaf else "",
        original_x=scale.middle(task.original_due_on) if task.original_due_on else "",
        windows=tuple(scale.middle(day) for day in windows),
        is_cutover=is_cutover,
        label=label,
        label_x=place,
        is_label_left=is_left,
        expected_x=scale.middle(expected) if (expected := _expected_later(chart, dated)) else "",
    )


def _expected_later(chart: _Chart, dated: DatedTask) -> date | None:
    """The expected day of a cutover that ends after its last window."""
    span, windows = chart.span(dated), chart.windows_of(dated)
    return span.end if span is not None and windows and span.end > max(windows) else None


def _bars(chart: _Chart, dated: DatedTask, days: tuple[date, date]) -> Iterable[GanttBar]:
    scale, span, (start, end) = chart.scale, chart.span(dated), days
    if span is None:
        kind = BarKind.OPEN if dated.task.is_open_leaf else BarKind.DONE
        yield GanttBar(kind, scale.x(start), scale.width(start, end))
        return
    is_critical = span.step.key in chart.critical
    if span.step.kind is StepKind.WAIT:
        yield GanttBar(BarKind.OUTBOUND_DAYS, scale.x(start), scale.width(start, end), is_critical)
        return
    if span.start_reason and span.start > chart.today:
        # A safe time or another bound, which no person can shorten.
        wait = GanttBar(
            BarKind.WAIT, scale.x(chart.today), scale.width(chart.today, span.start - _A_DAY)
        )
        yield wait
        start = span.start
    kind = BarKind.LATE if dated.late else BarKind.OPEN
    yield GanttBar(kind, scale.x(start), scale.width(start, end), is_critical)


def _label(chart: _Chart, dated: DatedTask, windows: Sequence[date]) -> str:
    task, slip = dated.task, dated.slip
    slipped = f" · {_count(slip)} later than planned" if slip and slip > 0 else ""
    if not task.is_open_leaf:
        status = "verified" if task.verified_at else task.get_status_display().lower()
        return f"{status} {_day(chart.calendar.day_of(task.verified_at or task.status_changed_at))}"
    if windows:
        late = f" · {_count(dated.late)} late" if dated.late else ""
        expected = _expected_later(chart, dated)
        later = f" · expected {_day(expected)}" if expected else ""
        return f"{' and '.join(_day(day) for day in windows)}{late}{slipped}{later}"
    if dated.late:
        return f"{_count(dated.late)} late{slipped}"
    span = chart.span(dated)
    if span is not None and span.step.kind is StepKind.WAIT:
        return f"until {_day(span.end)}"
    if span is not None and span.start_reason and span.start > chart.today:
        return f"from {_day(span.start)}"
    return f"due {_day(task.due_on)}{slipped}" if task.due_on else ""


def _description(dated: DatedTask, days: tuple[date, date] | None, label: str) -> str:
    parts = [dated.task.get_status_display()]
    if days:
        parts.append(f"{_day(days[0])} to {_day(days[1])}")
    return ", ".join([*parts, label] if label else parts)


def _label_place(scale: _Scale, end: date) -> tuple[str, bool]:
    """The place after the bar. True near the right edge: the label is then before the bar."""
    share = scale.share(end + _A_DAY)
    return _percent(share), share > 72


def _bands(scale: _Scale, calendar: Calendar, freezes: Iterable[Freeze]) -> Iterable[GanttBand]:
    if scale.days <= LONGEST_WITH_WEEKENDS:
        for number in range(scale.days):
            day = scale.first + number * _A_DAY
            if not calendar.is_working(day):
                kind = "holiday" if day in calendar.holidays else "weekend"
                yield GanttBand(kind, scale.x(day), scale.width(day, day))
    for freeze in freezes:
        if freeze.first_day <= scale.last and freeze.last_day >= scale.first:
            width = scale.width(freeze.first_day, min(freeze.last_day, scale.last))
            yield GanttBand("freeze", scale.x(freeze.first_day), width, freeze.reason)


def _weeks(scale: _Scale) -> Iterable[tuple[str, str]]:
    every = 7 * (scale.days // (7 * _MOST_LABELS) + 1)
    for number in range(0, scale.days - 3, every):
        day = scale.first + number * _A_DAY
        yield scale.x(day), f"{day.day} {day:%b}"


def _percent(share: float) -> str:
    return f"{share:.2f}".rstrip("0").rstrip(".") + "%"


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _count(days: int) -> str:
    return f"{days} working day{'' if days == 1 else 's'}"
