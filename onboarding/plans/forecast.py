"""The forecast of a plan: the critical path over its open tasks. Pure: no database and no clock.

Rules, day by day in the tenant's time zone:

1. A step is ready on the last day of the steps it waits for, on its latest bound, or today.
2. Work starts on the first working day of its side, and ends `days` working days later.
3. A wait ends `days` calendar days after it is ready.
4. A cutover happens on the day of its window if it is ready by then. Otherwise, and without a
   window, it happens on the first working day on which it is ready. No freeze contains that day.
5. The plan ends with its last step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from onboarding.plans.business_time import Calendar

_A_DAY = timedelta(days=1)
_SIDE_LABELS = {"mimecast": "Mimecast", "client": "Client", "both": "Mimecast and client"}
# Days. A freeze or a break without working days that is longer ends the search.
_LONGEST_SEARCH = 1600


class StepKind(StrEnum):
    WORK = "work"
    WAIT = "wait"
    CUTOVER = "cutover"
    # A group of sub-tasks: it ends with the last of them.
    GROUP = "group"


@dataclass(frozen=True)
class Bound:
    """A day before which a step cannot start, with the reason."""

    day: date
    reason: str


@dataclass(frozen=True)
class ForecastWindow:
    """A planned window. `ignores_freeze`: a person accepted the risk of its freeze."""

    key: str
    day: date
    ignores_freeze: bool = False


@dataclass(frozen=True)
class ForecastStep:
    """An open task, or a wait of the plan.

    `after` are the keys of the open steps it waits for. `days` are working days of its side, or
    calendar days of a wait; `basis` is the reason for the number. `windows` are the planned windows
    of a cutover, and `is_unplanned` states that domains are in none of them. `done_on` is the day
    of a what-if. `assumes` are the unknown facts behind the step.
    """

    key: str
    title: str
    kind: StepKind = StepKind.WORK
    side: str = ""
    person: str = ""
    after: tuple[str, ...] = ()
    days: int = 0
    basis: str = ""
    bounds: tuple[Bound, ...] = ()
    windows: tuple[ForecastWindow, ...] = ()
    is_unplanned: bool = False
    done_on: date | None = None
    assumes: tuple[str, ...] = ()

    @property
    def side_label(self) -> str:
        """The side that acts, for a page; empty while only time passes."""
        return _SIDE_LABELS.get(self.side, "")


@dataclass(frozen=True)
class FrozenDays:
    """A freeze: no cutover happens from the first to the last day."""

    first: date
    last: date
    reason: str


@dataclass(frozen=True)
class ForecastInputs:
    """The open steps of a plan, the working days of each side, and the freezes.

    `calendars` has mimecast, client and both. Counts of working days use the one of both sides.
    """

    today: date
    steps: tuple[ForecastStep, ...]
    calendars: Mapping[str, Calendar]
    freezes: tuple[FrozenDays, ...] = ()
    assumes: tuple[str, ...] = ()

    def calendar_of(self, side: str) -> Calendar:
        return self.calendars.get(side) or self.calendars["both"]

    def is_frozen(self, day: date) -> bool:
        return any(freeze.first <= day <= freeze.last for freeze in self.freezes)


@dataclass(frozen=True)
class StepSpan:
    """A step with its days. `decided_by` is the key of the step that it starts after; empty if a
    bound, a window or today decides. `reason` explains the length, `start_reason` the start."""

    step: ForecastStep
    start: date
    end: date
    decided_by: str = ""
    start_reason: str = ""
    reason: str = ""
    # The expected day of each window, by its key.
    windows: Mapping[str, date] | None = None

    @property
    def length(self) -> str:
        """The length of work or of a wait as text; empty for a cutover and a group."""
        unit = {StepKind.WORK: "working day", StepKind.WAIT: "day"}.get(self.step.kind)
        if unit is None or self.step.done_on is not None:
            return ""
        return f"{self.step.days} {unit}{'' if self.step.days == 1 else 's'}"


@dataclass(frozen=True)
class Forecast:
    """The expected end of a plan, its critical path in order, and the unknown facts behind it."""

    finish: date
    spans: Mapping[str, StepSpan]
    path: tuple[StepSpan, ...]
    assumes: tuple[str, ...] = ()

    def end_of(self, key: str) -> date | None:
        span = self.spans.get(key)
        return None if span is None else span.end

    @property
    def window_days(self) -> dict[str, date]:
        """The expected day of each planned window."""
        return {
            key: day for span in self.spans.values() for key, day in (span.windows or {}).items()
        }


def forecast_of(inputs: ForecastInputs) -> Forecast:
    """Compute the forecast. Steps that wait for each other ignore the last link of the cycle."""
    spans: dict[str, StepSpan] = {}
    cycles: list[str] = []
    for step, after in _in_order(inputs.steps, cycles):
        wanted = set(after)
        before = [span for key, span in spans.items() if key in wanted]
        spans[step.key] = _span(step, before, inputs)
    # On equal days the path includes the steps that add no day: it ends with the last of them.
    last = max(reversed(spans.values()), key=lambda span: span.end, default=None)
    path = tuple(_path_to(last, spans)) if last is not None else ()
    on_path = [text for span in path for text in span.step.assumes]
    all_texts = [text for step in inputs.steps for text in step.assumes]
    return Forecast(
        last.end if last is not None else inputs.today,
        spans,
        path,
        tuple(dict.fromkeys([*on_path, *inputs.assumes, *all_texts, *cycles])),
    )


def _in_order(
    steps: Sequence[ForecastStep], cycles: list[str]
) -> Iterator[tuple[ForecastStep, list[str]]]:
    """Yield each step after the steps it waits for, with the keys of those."""
    by_key = {step.key: step for step in steps}
    finished: set[str] = set()
    for root in steps:
        stack = [(root.key, False)]
        opened: set[str] = set()
        while stack:
            key, is_expanded = stack.pop()
            if key in finished:
                continue
            step = by_key[key]
            after = [each for each in step.after if each in by_key]
            if is_expanded:
                opened.discard(key)
                finished.add(key)
                ignored = [each for each in after if each not in finished]
                cycles.extend(
                    f"{step.title} and {by_key[each].title} wait for each other."
                    for each in ignored
                )
                yield step, [each for each in after if each in finished]
            elif key not in opened:
                opened.add(key)
                stack.append((key, True))
                stack.extend(
                    (each, False)
                    for each in reversed(after)
                    if each not in finished and each not in opened
                )


def _path_to(last: StepSpan, spans: Mapping[str, StepSpan]) -> list[StepSpan]:
    path = [last]
    while path[-1].decided_by:
        path.append(spans[path[-1].decided_by])
    return path[::-1]


def _span(step: ForecastStep, before: Sequence[StepSpan], inputs: ForecastInputs) -> StepSpan:
    if step.done_on is not None:
        day = max(step.done_on, inputs.today)
        return StepSpan(step, day, day, reason="assumed to be done on this day")
    ready, decided_by, start_reason = _ready(step, before, inputs)
    if step.kind is StepKind.CUTOVER:
        return _cutover(step, ready, decided_by, start_reason, inputs)
    if step.kind is StepKind.GROUP:
        return StepSpan(step, ready, ready, decided_by, start_reason)
    if step.kind is StepKind.WAIT:
        end = ready + timedelta(days=step.days)
        return StepSpan(step, ready, end, decided_by, start_reason, step.basis)
    calendar = inputs.calendar_of(step.side)
    start = first_working_day(ready, calendar)
    end = calendar.shift(start, step.days)
    return StepSpan(step, start, end, decided_by, start_reason, step.basis)


def _ready(
    step: ForecastStep, before: Sequence[StepSpan], inputs: ForecastInputs
) -> tuple[date, str, str]:
    """The day on which the step is ready, the key of the deciding step, and the reason."""
    ready, decided_by, reason = inputs.today, "", ""
    # On equal days the path includes the steps that add no day, so the last of `before` decides.
    previous = max(reversed(before), key=lambda span: span.end, default=None)
    if previous is not None and previous.end >= ready:
        ready, decided_by = previous.end, previous.step.key
    bound = max(step.bounds, key=lambda each: each.day, default=None)
    if bound is not None and bound.day > ready:
        ready, decided_by, reason = bound.day, "", bound.reason
    return ready, decided_by, reason


def first_working_day(day: date, calendar: Calendar) -> date:
    """The first working day from `day` on."""
    for offset in range(_LONGEST_SEARCH):
        if calendar.is_working(day + offset * _A_DAY):
            return day + offset * _A_DAY
    return day


def _first_cutover_day(day: date, inputs: ForecastInputs) -> date:
    """The first working day from `day` on that no freeze contains."""
    calendar = inputs.calendar_of("both")
    for offset in range(_LONGEST_SEARCH):
        each = day + offset * _A_DAY
        if calendar.is_working(each) and not inputs.is_frozen(each):
            return each
    return day


def _cutover(
    step: ForecastStep, ready: date, decided_by: str, start_reason: str, inputs: ForecastInputs
) -> StepSpan:
    """The span of a cutover. It ends with its last window."""
    days = {window.key: _window_day(window, ready, inputs) for window in step.windows}
    planned = {window.key: window.day for window in step.windows}
    end = max(days.values(), default=ready)
    if step.is_unplanned or not step.windows:
        end = max(end, _first_cutover_day(ready, inputs))
    last = [key for key, day in days.items() if day == end]
    is_as_planned = any(planned[key] == end for key in last)
    if is_as_planned:
        reason = "the planned window"
    elif step.windows and last:
        reason = "the first possible day: its window is too early, or a freeze contains it"
    else:
        reason = "the first possible day: no window is planned"
    if is_as_planned and end > ready:
        # Not the steps before it: the window could be earlier.
        decided_by, start_reason = "", ""
    return StepSpan(step, end, end, decided_by, start_reason, reason, windows=days)


def _window_day(window: ForecastWindow, ready: date, inputs: ForecastInputs) -> date:
    is_free = window.ignores_freeze or not inputs.is_frozen(window.day)
    if window.day >= ready and is_free:
        return window.day
    return _first_cutover_day(max(ready, window.day), inputs)


# --- What-if


def with_done(inputs: ForecastInputs, key: str, day: date) -> ForecastInputs:
    """The inputs if the step is done on that day."""
    return replace(
        inputs,
        steps=tuple(replace(s, done_on=day) if s.key == key else s for s in inputs.steps),
    )


def with_windows(
    inputs: ForecastInputs, key: str, windows: Sequence[ForecastWindow], *, is_unplanned: bool
) -> ForecastInputs:
    """The inputs with other windows of the cutover step."""
    return replace(
        inputs,
        steps=tuple(
            replace(s, windows=tuple(windows), is_unplanned=is_unplanned) if s.key == key else s
            for s in inputs.steps
        ),
    )


@dataclass(frozen=True)
class ForecastAction:
    """The one action that moves the date. `is_window`: reschedule the cutover to `day`; otherwise
    complete the step today. `saved_days` are working days."""

    step: ForecastStep
    is_window: bool
    day: date
    saved_days: int
    finish: date


def possible_actions(inputs: ForecastInputs) -> Iterator[tuple[ForecastStep, bool, ForecastInputs]]:
    """Each action of a person that is possible today, with the inputs after it.

    Work that waits for nothing can be completed, and a window that is ahead can be moved to the
    first possible day.
    """
    open_keys = {step.key for step in inputs.steps}
    for step in inputs.steps:
        if step.done_on is not None:
            continue
        if step.kind is StepKind.CUTOVER and step.windows:
            yield step, True, with_windows(inputs, step.key, (), is_unplanned=True)
        is_free = not open_keys.intersection(step.after)
        is_possible = all(bound.day <= inputs.today for bound in step.bounds)
        if step.kind is StepKind.WORK and is_free and is_possible:
            yield step, False, with_done(inputs, step.key, inputs.today)


def best_action(inputs: ForecastInputs, current: Forecast) -> ForecastAction | None:
    """The action that saves the most working days; None if no single action moves the date.

    Each action is tried: the forecast is computed again with it. On equal savings the earlier step
    of the critical path wins.
    """
    calendar = inputs.calendar_of("both")
    rank = {span.step.key: number for number, span in enumerate(current.path)}
    found: list[ForecastAction] = []
    for step, is_window, changed in possible_actions(inputs):
        after = forecast_of(changed)
        if after.finish >= current.finish:
            continue
        saved = calendar.working_days_from(after.finish, current.finish)
        day = after.spans[step.key].end
        found.append(ForecastAction(step, is_window, day, saved, after.finish))
    return min(
        found,
        key=lambda each: (each.finish, rank.get(each.step.key, len(rank)), each.is_window),
        default=None,
    )


def why_no_action(inputs: ForecastInputs, forecast: Forecast) -> str:
    """The sentence for a forecast that no single action moves.

    Several chains decide the date only if all possible actions together move it.
    """
    if not forecast.path:
        return "No open task is left."
    first = forecast.path[0]
    if first.step.kind is StepKind.WAIT or first.start_reason:
        cause = first.start_reason or first.step.title
        return f"Only time moves the date: {cause[:1].lower()}{cause[1:].removesuffix('.')}."
    if _after_every_action(inputs).finish < forecast.finish:
        return "No single action moves the date: several chains of tasks end on that day."
    return "No action moves the date: weekends, holidays, freezes or waits use up the saved days."


def _after_every_action(inputs: ForecastInputs) -> Forecast:
    """The forecast if every possible action of today is done."""
    changed = inputs
    for step, is_window, _ in possible_actions(inputs):
        if is_window:
            changed = with_windows(changed, step.key, (), is_unplanned=True)
        else:
            changed = with_done(changed, step.key, inputs.today)
    return forecast_of(changed)
