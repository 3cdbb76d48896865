"""The time bar of the cutover room."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.template.loader import render_to_string

from checks.models import Check
from checks.safe_times import SafeTime
from onboarding.cutovers.follow_up import DomainSwitch
from onboarding.cutovers.live_board import DomainBoard, ServerRow
from onboarding.cutovers.time_bar import MarkKind, TimeBar, time_bar
from onboarding.models import Cutover
from onboarding.plans.current_state import CurrentState, SubjectStatus
from onboarding.plans.rows import Shape
from tests.clock import at
from tests.markup import texts

START = at("Mon 19:00")
HOUR = timedelta(hours=1)
CUTOVER = Cutover(direction="inbound", planned_at=START, length_minutes=120)


def board(
    *, ttl: int | None = 300, shape: Shape = Shape.PASS, hours: float | None = 0.5
) -> DomainBoard:
    expires_at = START + hours * HOUR if hours is not None else None
    server = ServerRow("ns1.test", ("10 mx.test",), (), ttl, shape)
    state = CurrentState(SubjectStatus.VERIFIED)
    return DomainBoard("a.test", Check(), state, (server,), expires_at)


def switch(hours: float | None) -> DomainSwitch:
    safe_at = START + hours * HOUR if hours is not None else None
    return DomainSwitch("a.test", SafeTime(safe_at), 300)


def places(bar: TimeBar) -> dict[MarkKind, int | None]:
    return {mark.kind: mark.place for mark in bar.marks}


def bar_at(now: datetime, *boards: DomainBoard, switches: tuple[DomainSwitch, ...] = ()) -> TimeBar:
    return time_bar(CUTOVER, boards, switches, now=now)


def test_marks_are_in_the_order_of_time() -> None:
    bar = bar_at(START + HOUR, board(), board(ttl=900), switches=(switch(1.5), switch(30)))

    assert [(mark.kind.value, mark.place, mark.is_past) for mark in bar.marks] == [
        ("start", 0, True),
        ("caches", 250, True),
        ("rollback", 875, False),
        ("end", 1000, False),
        ("lockdown", None, False),
    ]
    assert bar.marks[-1].at == START + 30 * HOUR


@pytest.mark.parametrize(
    ("hours", "place", "is_open"),
    [(-1, 0, False), (0, 0, True), (0.5, 250, True), (2, 1000, False), (50, 1000, False)],
)
def test_now_stays_on_the_bar(hours: float, place: int, is_open: bool) -> None:
    bar = bar_at(START + hours * HOUR)

    assert (bar.now_place, bar.is_open) == (place, is_open)


@pytest.mark.parametrize(
    "unknown",
    [
        board(shape=Shape.WAITING),
        board(shape=Shape.UNKNOWN),
        board(hours=None),
        replace(board(), is_stale=True),
        replace(board(), servers=()),
    ],
)
def test_unknown_domain_leaves_no_last_cache(unknown: DomainBoard) -> None:
    """One domain without a known time: nobody knows when the last cache expires."""
    assert MarkKind.CACHES not in places(bar_at(START, board(), unknown))


@pytest.mark.parametrize(
    "unknown", [board(ttl=None), replace(board(), is_stale=True), replace(board(), servers=())]
)
def test_unknown_ttl_leaves_no_rollback_time(unknown: DomainBoard) -> None:
    assert MarkKind.ROLLBACK not in places(bar_at(START, board(), unknown))


def test_rollback_longer_than_window_has_no_time() -> None:
    assert MarkKind.ROLLBACK not in places(bar_at(START, board(ttl=7200)))


def test_domain_without_switch_leaves_no_lockdown() -> None:
    bar = bar_at(START, board(), switches=(switch(1), switch(None)))

    assert MarkKind.LOCKDOWN not in places(bar)


def test_window_alone_has_start_and_end() -> None:
    assert places(bar_at(START)) == {MarkKind.START: 0, MarkKind.END: 1000}


@pytest.mark.parametrize(
    ("hours", "words"),
    [(1, "Lockdown is safe from this time"), (2, "Lockdown is safe"), (3, "Lockdown is safe")],
)
def test_lockdown_is_safe_from_its_time(hours: int, words: str) -> None:
    bar = bar_at(START + hours * HOUR, board(), switches=(switch(2),))

    html = render_to_string("cutovers/time_bar.html", {"bar": bar, "zone": "UTC"})

    (item,) = [text for text in texts(html, "li") if "Lockdown" in text]
    assert item.endswith(words)
