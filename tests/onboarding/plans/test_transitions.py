"""Who may say what of a task, from where, with which words: the whole table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.models import ManualStatus, Responsibility, TaskStatus
from onboarding.plans.transitions import (
    TRANSITIONS,
    Actor,
    TransitionContext,
    available_transitions,
    input_error,
    waiting_side_after,
    why_not,
)

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
CLIENT = Actor("client", may_manage_plan=False)
CONSULTANT = Actor("mimecast", may_manage_plan=True)
VIEWER = Actor("", may_manage_plan=False)


def context(status: TaskStatus, **other: Any) -> TransitionContext:
    values: dict[str, Any] = {"manual_status": status.value, "responsibility": "both"} | other
    return TransitionContext(status=status, **values)


def keys(at: TransitionContext, actor: Actor) -> list[str]:
    return [transition.key for transition in available_transitions(at, actor)]


@pytest.mark.parametrize(
    ("status", "by_client", "by_consultant"),
    [
        (TaskStatus.TODO, "start wait block", "start wait block accept-risk mark-not-needed"),
        (
            TaskStatus.IN_PROGRESS,
            "wait block resume",
            "wait block resume accept-risk mark-not-needed",
        ),
        (
            TaskStatus.WAITING,
            "start block resume",
            "start block resume accept-risk mark-not-needed",
        ),
        (TaskStatus.BLOCKED, "start wait resume", "start wait resume accept-risk mark-not-needed"),
        (
            TaskStatus.PARTLY_CONFIRMED,
            "start wait block",
            "start wait block accept-risk mark-not-needed",
        ),
        (
            TaskStatus.AWAITING_VERIFICATION,
            "start wait block",
            "start wait block accept-risk mark-not-needed",
        ),
        (TaskStatus.REGRESSED, "start wait block", "start wait block accept-risk mark-not-needed"),
        (TaskStatus.DONE, "", ""),
        (TaskStatus.VERIFIED, "", ""),
        (TaskStatus.DECLINED, "reconsider", "reconsider"),
        (TaskStatus.ACCEPTED_RISK, "", "restore"),
        (TaskStatus.NOT_APPLICABLE, "", "restore"),
    ],
)
def test_moves_from_each_state(status: TaskStatus, by_client: str, by_consultant: str) -> None:
    assert keys(context(status), CLIENT) == by_client.split()
    assert keys(context(status), CONSULTANT) == by_consultant.split()
    assert keys(context(status), VIEWER) == []


def test_only_what_is_optional_can_be_declined() -> None:
    assert "decline" in keys(context(TaskStatus.TODO, is_optional=True), CLIENT)
    assert "decline" not in keys(context(TaskStatus.TODO), CLIENT)


def test_what_a_person_set_aside_can_be_brought_back_and_what_the_profile_left_out_not() -> None:
    by_person = context(TaskStatus.NOT_APPLICABLE, manual_status=ManualStatus.NOT_NEEDED)
    by_profile = context(TaskStatus.NOT_APPLICABLE, manual_status=ManualStatus.NONE)

    assert keys(by_person, CONSULTANT) == ["restore"]
    assert "profile" in why_not(TRANSITIONS["restore"], by_profile, CONSULTANT)


def test_the_other_sides_task_is_theirs_but_a_consultant_steers_it() -> None:
    theirs = context(TaskStatus.TODO, responsibility=Responsibility.MIMECAST)

    assert why_not(TRANSITIONS["block"], theirs, CLIENT) == "This task is Mimecast’s."
    assert "block" in keys(context(TaskStatus.TODO, responsibility="client"), CONSULTANT)


def test_a_group_stands_as_its_tasks_do() -> None:
    assert keys(context(TaskStatus.TODO, is_group=True), CONSULTANT) == []


@pytest.mark.parametrize(
    ("transition", "reason", "until", "told"),
    [
        ("start", "", None, ""),
        ("block", "  ", None, "Say it in a few words"),
        ("block", "The change board meets on Friday.", None, ""),
        ("block", "x" * 501, None, "at most 500 characters; you wrote 501"),
        ("accept-risk", "Their host changes in May.", None, "Say until when"),
        ("accept-risk", "Their host changes in May.", NOW, "Say until when"),
        (
            "accept-risk",
            "Their host changes in May.",
            NOW + timedelta(days=366),
            "for a year at most",
        ),
        ("accept-risk", "Their host changes in May.", NOW + timedelta(days=30), ""),
    ],
)
def test_words_and_days_that_a_move_needs(
    transition: str, reason: str, until: datetime | None, told: str
) -> None:
    problem = input_error(reason, until, TRANSITIONS[transition], now=NOW)

    assert told in problem
    assert bool(problem) is bool(told)


def test_who_waits_waits_for_the_other_side() -> None:
    assert waiting_side_after(TRANSITIONS["wait"], "client") == "mimecast"
    assert waiting_side_after(TRANSITIONS["wait"], "mimecast") == "client"
    assert waiting_side_after(TRANSITIONS["block"], "mimecast") == ""
