"""Who may say what of a task, from where, with which words: the whole table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.models import Mark, Responsibility, TaskState
from onboarding.plans.moves import (
    MOVES,
    Mover,
    Place,
    moves_from,
    problem_with,
    refusal,
    side_waited_for,
)

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
CLIENT = Mover("client", may_steer=False)
CONSULTANT = Mover("mimecast", may_steer=True)
VIEWER = Mover("", may_steer=False)


def place(state: TaskState, **other: Any) -> Place:
    values: dict[str, Any] = {"mark": state.value, "responsibility": "both"} | other
    return Place(state=state, **values)


def keys(at: Place, mover: Mover) -> list[str]:
    return [move.key for move in moves_from(at, mover)]


@pytest.mark.parametrize(
    ("state", "by_client", "by_consultant"),
    [
        (TaskState.TODO, "start wait block", "start wait block accept set-aside"),
        (TaskState.IN_PROGRESS, "wait block resume", "wait block resume accept set-aside"),
        (TaskState.WAITING, "start block resume", "start block resume accept set-aside"),
        (TaskState.BLOCKED, "start wait resume", "start wait resume accept set-aside"),
        (TaskState.HALF, "start wait block", "start wait block accept set-aside"),
        (TaskState.CLAIMED, "start wait block", "start wait block accept set-aside"),
        (TaskState.BROKEN, "start wait block", "start wait block accept set-aside"),
        (TaskState.DONE, "", ""),
        (TaskState.PROVEN, "", ""),
        (TaskState.DECLINED, "take-up", "take-up"),
        (TaskState.ACCEPTED, "", "bring-back"),
        (TaskState.NOT_APPLICABLE, "", "bring-back"),
    ],
)
def test_moves_from_each_state(state: TaskState, by_client: str, by_consultant: str) -> None:
    assert keys(place(state), CLIENT) == by_client.split()
    assert keys(place(state), CONSULTANT) == by_consultant.split()
    assert keys(place(state), VIEWER) == []


def test_only_what_is_optional_can_be_declined() -> None:
    assert "decline" in keys(place(TaskState.TODO, is_optional=True), CLIENT)
    assert "decline" not in keys(place(TaskState.TODO), CLIENT)


def test_what_a_person_set_aside_can_be_brought_back_and_what_the_profile_left_out_not() -> None:
    by_person = place(TaskState.NOT_APPLICABLE, mark=Mark.SET_ASIDE)
    by_profile = place(TaskState.NOT_APPLICABLE, mark=Mark.NONE)

    assert keys(by_person, CONSULTANT) == ["bring-back"]
    assert "profile" in refusal(MOVES["bring-back"], by_profile, CONSULTANT)


def test_the_other_sides_task_is_theirs_but_a_consultant_steers_it() -> None:
    theirs = place(TaskState.TODO, responsibility=Responsibility.MIMECAST)

    assert refusal(MOVES["block"], theirs, CLIENT) == "This task is Mimecast’s."
    assert "block" in keys(place(TaskState.TODO, responsibility="client"), CONSULTANT)


def test_a_group_stands_as_its_tasks_do() -> None:
    assert keys(place(TaskState.TODO, is_group=True), CONSULTANT) == []


@pytest.mark.parametrize(
    ("move", "because", "until", "told"),
    [
        ("start", "", None, ""),
        ("block", "  ", None, "Say it in a few words"),
        ("block", "The change board meets on Friday.", None, ""),
        ("block", "x" * 501, None, "at most 500 characters; you wrote 501"),
        ("accept", "Their host changes in May.", None, "Say until when"),
        ("accept", "Their host changes in May.", NOW, "Say until when"),
        ("accept", "Their host changes in May.", NOW + timedelta(days=366), "for a year at most"),
        ("accept", "Their host changes in May.", NOW + timedelta(days=30), ""),
    ],
)
def test_words_and_days_that_a_move_needs(
    move: str, because: str, until: datetime | None, told: str
) -> None:
    problem = problem_with(because, until, MOVES[move], now=NOW)

    assert told in problem
    assert bool(problem) is bool(told)


def test_who_waits_waits_for_the_other_side() -> None:
    assert side_waited_for(MOVES["wait"], "client") == "mimecast"
    assert side_waited_for(MOVES["wait"], "mimecast") == "client"
    assert side_waited_for(MOVES["block"], "mimecast") == ""
