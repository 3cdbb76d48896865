"""Where a task stands, from its facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.models import Mark, TaskState
from onboarding.plans.states import Facts, group_state, state_of

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, TaskState.TODO),
        ({"applies": False, "proven_at": NOON}, TaskState.NOT_APPLICABLE),
        ({"responsibility": "both", "mimecast_confirmed_at": NOON}, TaskState.HALF),
        ({"responsibility": "both", "client_confirmed_at": NOON}, TaskState.HALF),
        (
            {
                "responsibility": "both",
                "mimecast_confirmed_at": NOON,
                "client_confirmed_at": NOON,
            },
            TaskState.DONE,
        ),
        ({"responsibility": "client", "client_confirmed_at": NOON}, TaskState.DONE),
        ({"responsibility": "client", "mimecast_confirmed_at": NOON}, TaskState.TODO),
        ({"responsibility": "mimecast", "client_confirmed_at": NOON}, TaskState.TODO),
        ({"has_check": True, "client_confirmed_at": NOON}, TaskState.CLAIMED),
        ({"has_check": True, "proven_at": NOON}, TaskState.PROVEN),
        ({"has_check": True, "broken_at": NOON}, TaskState.BROKEN),
        (
            {"has_check": True, "client_confirmed_at": NOON, "broken_at": LATER},
            TaskState.BROKEN,
        ),
        (
            {"has_check": True, "client_confirmed_at": LATER, "broken_at": NOON},
            TaskState.CLAIMED,
        ),
        ({"mark": Mark.IN_PROGRESS}, TaskState.IN_PROGRESS),
        ({"mark": Mark.WAITING}, TaskState.WAITING),
        ({"mark": Mark.BLOCKED}, TaskState.BLOCKED),
        ({"mark": Mark.DECLINED}, TaskState.DECLINED),
        ({"mark": Mark.ACCEPTED}, TaskState.ACCEPTED),
        ({"mark": Mark.SET_ASIDE}, TaskState.NOT_APPLICABLE),
        ({"mark": Mark.SET_ASIDE, "proven_at": NOON}, TaskState.NOT_APPLICABLE),
        ({"mark": Mark.ACCEPTED, "proven_at": NOON}, TaskState.PROVEN),
        ({"mark": Mark.DECLINED, "proven_at": NOON}, TaskState.PROVEN),
        ({"mark": Mark.ACCEPTED, "broken_at": NOON}, TaskState.ACCEPTED),
        ({"mark": Mark.IN_PROGRESS, "broken_at": NOON}, TaskState.BROKEN),
        ({"mark": Mark.BLOCKED, "broken_at": NOON}, TaskState.BLOCKED),
        ({"mark": Mark.WAITING, "client_confirmed_at": NOON}, TaskState.DONE),
        (
            {"mark": Mark.WAITING, "responsibility": "both", "client_confirmed_at": NOON},
            TaskState.WAITING,
        ),
    ],
)
def test_state_follows_from_the_facts(facts: dict[str, Any], expected: TaskState) -> None:
    basis: dict[str, Any] = {"applies": True, "responsibility": "client", "has_check": False}

    assert state_of(Facts(**{**basis, **facts})) == expected


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ([TaskState.DONE, TaskState.NOT_APPLICABLE], TaskState.DONE),
        ([TaskState.PROVEN, TaskState.PROVEN], TaskState.PROVEN),
        ([TaskState.PROVEN, TaskState.DONE], TaskState.DONE),
        ([TaskState.PROVEN, TaskState.BROKEN], TaskState.BROKEN),
        ([TaskState.PROVEN, TaskState.TODO], TaskState.HALF),
        ([TaskState.TODO, TaskState.TODO], TaskState.TODO),
        ([TaskState.CLAIMED], TaskState.HALF),
        ([TaskState.DECLINED, TaskState.DECLINED], TaskState.DECLINED),
        ([TaskState.DECLINED, TaskState.DONE, TaskState.ACCEPTED], TaskState.DONE),
        ([TaskState.BLOCKED, TaskState.DONE], TaskState.HALF),
        ([TaskState.NOT_APPLICABLE], TaskState.NOT_APPLICABLE),
        ([], TaskState.NOT_APPLICABLE),
    ],
)
def test_a_group_is_done_when_its_applicable_children_are(
    children: list[TaskState], expected: TaskState
) -> None:
    assert group_state(children, applies=True) == expected
