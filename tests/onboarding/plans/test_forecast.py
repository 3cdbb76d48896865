"""The forecast compared with a day-by-day simulation, and explicit cases."""

from __future__ import annotations

import zoneinfo
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding.plans.business_time import Calendar
from onboarding.plans.forecast import (
    Bound,
    Forecast,
    ForecastInputs,
    ForecastStep,
    ForecastWindow,
    FrozenDays,
    StepKind,
    best_action,
    forecast_of,
    possible_actions,
    why_no_action,
    with_done,
    with_windows,
)
from onboarding.plans.forecast_inputs import side_calendars
from tests.onboarding.plans.forecast_oracle import Simulation

MONDAY = date(2026, 11, 30)
UTC = zoneinfo.ZoneInfo("UTC")
WEEKDAYS = Calendar(UTC)
SIDES = ("mimecast", "client", "both")


def day(offset: int) -> date:
    return MONDAY + timedelta(days=offset)


def plan(*steps: ForecastStep, **more: Any) -> ForecastInputs:
    return ForecastInputs(MONDAY, steps, dict.fromkeys(SIDES, WEEKDAYS), **more)


def work(key: str, days: int, *after: str, **more: Any) -> ForecastStep:
    return ForecastStep(key, key.title(), days=days, after=after, side="client", **more)


def wait(key: str, days: int, *after: str, **more: Any) -> ForecastStep:
    return ForecastStep(key, key.title(), StepKind.WAIT, days=days, after=after, **more)


def cutover(key: str, *after: str, **more: Any) -> ForecastStep:
    windows = tuple(ForecastWindow(f"{key}-{n}", each) for n, each in enumerate(more.pop("on", ())))
    return ForecastStep(key, key.title(), StepKind.CUTOVER, after=after, windows=windows, **more)


# --- Generated plans

CALENDARS = st.builds(
    lambda weekdays, holidays: Calendar(
        UTC, frozenset(weekdays), holidays=frozenset(day(each) for each in holidays)
    ),
    st.sets(st.integers(0, 6), min_size=3),
    st.sets(st.integers(0, 40), max_size=8),
)


@st.composite
def steps(draw: st.DrawFn, number: int) -> ForecastStep:
    kind = draw(st.sampled_from([*StepKind, StepKind.WORK, StepKind.WORK]))
    earlier = [f"s{each}" for each in range(number)]
    after = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
    bounds = draw(st.lists(st.integers(-5, 25), max_size=2))
    windows = draw(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=2))
    done_on = draw(st.one_of(st.none(), st.none(), st.none(), st.integers(-3, 20)))
    return ForecastStep(
        f"s{number}",
        f"Step {number}",
        kind,
        side=draw(st.sampled_from(["", *SIDES])),
        after=tuple(after),
        days=draw(st.integers(0, 8)),
        bounds=tuple(Bound(day(each), "bound") for each in bounds),
        windows=tuple(
            ForecastWindow(f"w{number}-{n}", day(each), ignores)
            for n, (each, ignores) in enumerate(windows)
        )
        if kind is StepKind.CUTOVER
        else (),
        is_unplanned=draw(st.booleans()),
        done_on=None if done_on is None else day(done_on),
    )


@st.composite
def plans(draw: st.DrawFn) -> ForecastInputs:
    made = [draw(steps(number)) for number in range(draw(st.integers(0, 7)))]
    order = draw(st.permutations(made))
    freezes = draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=2))
    client, mimecast = draw(CALENDARS), draw(CALENDARS)
    weekdays = client.weekdays & mimecast.weekdays or frozenset({2})
    both = Calendar(UTC, weekdays, holidays=client.holidays | mimecast.holidays)
    return ForecastInputs(
        MONDAY,
        tuple(order),
        {"client": client, "mimecast": mimecast, "both": both},
        tuple(FrozenDays(day(first), day(first + length), "Freeze") for first, length in freezes),
    )


class _OwnDays(Simulation):
    """Decides itself on which days each side works, from the facts that people enter."""

    client: Calendar
    mimecast_holidays: frozenset[date]

    def _works(self, side: str) -> bool:
        weekday = self.day.weekday()
        mimecast = weekday < 5 and self.day not in self.mimecast_holidays
        client = weekday in self.client.weekdays and self.day not in self.client.holidays
        if side in ("client", "mimecast"):
            return client if side == "client" else mimecast
        shares_weekdays = any(each < 5 for each in self.client.weekdays)
        return client and (mimecast if shares_weekdays else self.day not in self.mimecast_holidays)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(plans(), CALENDARS, st.sets(st.integers(0, 40), max_size=12))
def test_holidays_of_mimecast_equal_simulation(
    inputs: ForecastInputs, client: Calendar, days: set[int]
) -> None:
    holidays = frozenset(day(each) for each in days)
    inputs = replace(inputs, calendars=side_calendars(client, holidays))
    simulation = _OwnDays(inputs)
    simulation.client, simulation.mimecast_holidays = client, holidays
    expected = simulation.run()

    found = forecast_of(inputs)

    assert {key: span.end for key, span in found.spans.items()} == simulation.done
    assert found.finish == expected


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(plans())
def test_forecast_equals_simulation(inputs: ForecastInputs) -> None:
    simulation = Simulation(inputs)
    expected = simulation.run()

    found = forecast_of(inputs)

    assert {key: span.end for key, span in found.spans.items()} == simulation.done
    assert found.finish == expected
    assert found.window_days == {
        key: each
        for key, each in simulation.windows.items()
        if not key.endswith(": none") and not _is_done(inputs, key)
    }


def _is_done(inputs: ForecastInputs, window: str) -> bool:
    """Whether the window belongs to a step that a what-if completes."""
    return any(s.done_on is not None and window in {w.key for w in s.windows} for s in inputs.steps)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(plans())
def test_critical_path_is_a_chain_to_the_end(inputs: ForecastInputs) -> None:
    found = forecast_of(inputs)

    ends = [key for key, span in found.spans.items() if span.end == found.finish]
    assert [span.step.key for span in found.path[-1:]] == ends[-1:]
    for before, span in zip(found.path, found.path[1:], strict=False):
        assert before.step.key in span.step.after
        assert before.end <= span.start
    for span in found.path:
        assert inputs.today <= span.start <= span.end <= found.finish


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(plans())
def test_action_is_the_best_of_all(inputs: ForecastInputs) -> None:
    """The simulation tries every action: no other one ends the plan earlier."""
    current = forecast_of(inputs)
    finishes = [Simulation(changed).run() for _, _, changed in possible_actions(inputs)]
    earliest = min(finishes, default=current.finish)

    action = best_action(inputs, current)

    if action is None:
        assert earliest >= current.finish
    else:
        assert action.finish == earliest < current.finish
        calendar = inputs.calendars["both"]
        days = (current.finish - action.finish).days
        expected = sum(
            calendar.is_working(action.finish + timedelta(days=n + 1)) for n in range(days)
        )
        assert action.saved_days == expected


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(plans(), st.integers(0, 6), st.integers(0, 15))
def test_delay_never_moves_the_date_forward(inputs: ForecastInputs, number: int, days: int) -> None:
    later = replace(
        inputs,
        steps=tuple(
            replace(step, bounds=(*step.bounds, Bound(day(days), "Later")))
            if step.key == f"s{number}"
            else step
            for step in inputs.steps
        ),
    )

    assert forecast_of(later).finish >= forecast_of(inputs).finish


# --- Explicit cases

MIDWEEK_FREEZE = (FrozenDays(day(2), day(9), "Year end"),)


@pytest.mark.parametrize(
    ("inputs", "finish", "path"),
    [
        (plan(), 0, []),
        (plan(work("a", 0)), 0, ["a"]),
        (plan(work("a", 4)), 4, ["a"]),
        (plan(work("a", 5)), 7, ["a"]),
        (plan(work("a", 2), work("b", 3, "a")), 7, ["a", "b"]),
        (plan(work("b", 3, "a"), work("a", 2)), 7, ["a", "b"]),
        (plan(work("a", 2), work("b", 4), work("c", 1, "a", "b")), 7, ["b", "c"]),
        (plan(work("a", 1), wait("ttl", 2, "a"), work("b", 0, "ttl")), 3, ["a", "ttl", "b"]),
        (plan(work("a", 4), wait("days", 3, "a"), cutover("mx", "days")), 7, ["a", "days", "mx"]),
        (plan(work("a", 1, bounds=(Bound(day(9), "Safe from Wednesday"),))), 10, ["a"]),
        (plan(cutover("mx", on=[day(5)])), 5, ["mx"]),
        (plan(work("a", 2), cutover("mx", "a", on=[day(8)])), 8, ["mx"]),
        (plan(work("a", 4), cutover("mx", "a", on=[day(1)])), 4, ["a", "mx"]),
        (plan(work("a", 2), cutover("mx", "a"), freezes=MIDWEEK_FREEZE), 10, ["a", "mx"]),
        (plan(cutover("mx", on=[day(3)]), freezes=MIDWEEK_FREEZE), 10, ["mx"]),
        (plan(cutover("mx", on=[day(1), day(8)])), 8, ["mx"]),
        (
            plan(cutover("mx", on=[day(1)], is_unplanned=True, bounds=(Bound(day(5), "x"),))),
            7,
            ["mx"],
        ),
        (plan(work("a", 3, done_on=day(8)), work("b", 1, "a")), 9, ["a", "b"]),
        (plan(work("a", 1, "b"), work("b", 1, "a")), 2, ["b", "a"]),
    ],
)
def test_forecast_of_plan(inputs: ForecastInputs, finish: int, path: list[str]) -> None:
    found = forecast_of(inputs)

    assert (found.finish, [span.step.key for span in found.path]) == (day(finish), path)


def test_accepted_freeze_does_not_move_window() -> None:
    step = cutover("mx", on=[day(3)])
    accepted = replace(step, windows=(replace(step.windows[0], ignores_freeze=True),))

    assert forecast_of(plan(accepted, freezes=MIDWEEK_FREEZE)).finish == day(3)


def test_sides_work_on_their_own_days() -> None:
    inputs = plan(work("a", 1), replace(work("b", 1, "a"), side="mimecast"))
    sunday_to_thursday = Calendar(UTC, frozenset({6, 0, 1, 2, 3}))
    client_only = replace(
        inputs,
        today=day(4),
        calendars={**inputs.calendars, "client": sunday_to_thursday},
    )

    found = forecast_of(client_only)

    # A Friday: the client starts on Sunday and ends on Monday, Mimecast ends on Tuesday.
    assert (found.end_of("a"), found.end_of("b")) == (day(7), day(8))


def _action(inputs: ForecastInputs) -> tuple[str, bool, int] | None:
    found = best_action(inputs, forecast_of(inputs))
    return None if found is None else (found.step.key, found.is_window, found.saved_days)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (plan(work("a", 4), work("b", 2)), ("a", False, 2)),
        (plan(work("a", 4), work("b", 4)), None),
        (plan(work("a", 1), work("b", 2, "a")), ("a", False, 1)),
        (plan(work("a", 1), cutover("mx", "a", on=[day(9)])), ("mx", True, 6)),
        (plan(work("a", 1, bounds=(Bound(day(2), "x"),))), None),
        (plan(wait("ttl", 3), work("a", 1, "ttl")), None),
        (plan(), None),
    ],
)
def test_action_that_moves_the_date(
    inputs: ForecastInputs, expected: tuple[str, bool, int] | None
) -> None:
    assert _action(inputs) == expected


SAVED_DAYS_USED = (
    "No action moves the date: weekends, holidays, freezes or waits use up the saved days."
)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (plan(), "No open task is left."),
        (
            plan(work("a", 4), work("b", 4)),
            "No single action moves the date: several chains of tasks end on that day.",
        ),
        # The wait ends on Sunday, or one day earlier: the work after it starts on Monday.
        (plan(work("a", 1), wait("w", 5, "a"), work("b", 1, "w")), SAVED_DAYS_USED),
        (
            plan(
                work("a", 1),
                cutover("mx", "a"),
                freezes=(FrozenDays(day(0), day(2), "Freeze"),),
            ),
            SAVED_DAYS_USED,
        ),
        (plan(wait("ttl", 3)), "Only time moves the date: ttl."),
        (
            plan(work("a", 1, bounds=(Bound(day(2), "Safe from Wednesday."),))),
            "Only time moves the date: safe from Wednesday.",
        ),
    ],
)
def test_reason_without_action(inputs: ForecastInputs, sentence: str) -> None:
    assert why_no_action(inputs, forecast_of(inputs)) == sentence


def test_what_if_changes_one_step() -> None:
    inputs = plan(work("a", 4), cutover("mx", "a", on=[day(9)]))
    moved = [ForecastWindow("other", day(14))]

    found: list[Forecast] = [
        forecast_of(with_done(inputs, "a", day(10))),
        forecast_of(with_windows(inputs, "mx", moved, is_unplanned=False)),
    ]

    assert [each.finish for each in found] == [day(10), day(14)]
    assert forecast_of(inputs).finish == day(9)


def test_assumptions_of_the_path_come_first() -> None:
    inputs = plan(
        work("a", 1, assumes=("assumes a",)), work("b", 3, assumes=("assumes b",)), assumes=("all",)
    )

    assert forecast_of(inputs).assumes == ("assumes b", "all", "assumes a")


def test_cycle_is_an_assumption() -> None:
    found = forecast_of(plan(work("a", 1, "b"), work("b", 1, "a")))

    assert found.assumes == ("B and A wait for each other.",)
