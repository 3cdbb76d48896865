"""The status of a task and of a group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.models import ManualStatus, TaskStatus
from onboarding.plans.statuses import TaskFacts, group_status, status_of

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, TaskStatus.TODO),
        ({"applies": False, "verified_at": NOON}, TaskStatus.NOT_APPLICABLE),
        ({"responsibility": "both", "mimecast_confirmed_at": NOON}, TaskStatus.PARTLY_CONFIRMED),
        ({"responsibility": "both", "client_confirmed_at": NOON}, TaskStatus.PARTLY_CONFIRMED),
        (
            {
                "responsibility": "both",
                "mimecast_confirmed_at": NOON,
                "client_confirmed_at": NOON,
            },
            TaskStatus.DONE,
        ),
        ({"responsibility": "client", "client_confirmed_at": NOON}, TaskStatus.DONE),
        ({"responsibility": "client", "mimecast_confirmed_at": NOON}, TaskStatus.TODO),
        ({"responsibility": "mimecast", "client_confirmed_at": NOON}, TaskStatus.TODO),
        ({"has_check": True, "client_confirmed_at": NOON}, TaskStatus.AWAITING_VERIFICATION),
        ({"has_check": True, "verified_at": NOON}, TaskStatus.VERIFIED),
        ({"has_check": True, "regressed_at": NOON}, TaskStatus.REGRESSED),
        (
            {"has_check": True, "client_confirmed_at": NOON, "regressed_at": LATER},
            TaskStatus.REGRESSED,
        ),
        (
            {"has_check": True, "client_confirmed_at": LATER, "regressed_at": NOON},
            TaskStatus.AWAITING_VERIFICATION,
        ),
        ({"manual_status": ManualStatus.IN_PROGRESS}, TaskStatus.IN_PROGRESS),
        ({"manual_status": ManualStatus.WAITING}, TaskStatus.WAITING),
        ({"manual_status": ManualStatus.BLOCKED}, TaskStatus.BLOCKED),
        ({"manual_status": ManualStatus.DECLINED}, TaskStatus.DECLINED),
        ({"manual_status": ManualStatus.ACCEPTED_RISK}, TaskStatus.ACCEPTED_RISK),
        ({"manual_status": ManualStatus.NOT_NEEDED}, TaskStatus.NOT_APPLICABLE),
        (
            {"manual_status": ManualStatus.NOT_NEEDED, "verified_at": NOON},
            TaskStatus.NOT_APPLICABLE,
        ),
        ({"manual_status": ManualStatus.ACCEPTED_RISK, "verified_at": NOON}, TaskStatus.VERIFIED),
        ({"manual_status": ManualStatus.DECLINED, "verified_at": NOON}, TaskStatus.VERIFIED),
        (
            {"manual_status": ManualStatus.ACCEPTED_RISK, "regressed_at": NOON},
            TaskStatus.ACCEPTED_RISK,
        ),
        ({"manual_status": ManualStatus.IN_PROGRESS, "regressed_at": NOON}, TaskStatus.REGRESSED),
        ({"manual_status": ManualStatus.BLOCKED, "regressed_at": NOON}, TaskStatus.BLOCKED),
        ({"manual_status": ManualStatus.WAITING, "client_confirmed_at": NOON}, TaskStatus.DONE),
        (
            {
                "manual_status": ManualStatus.WAITING,
                "responsibility": "both",
                "client_confirmed_at": NOON,
            },
            TaskStatus.WAITING,
        ),
    ],
)
def test_status_of_facts(facts: dict[str, Any], expected: TaskStatus) -> None:
    basis: dict[str, Any] = {"applies": True, "responsibility": "client", "has_check": False}

    assert status_of(TaskFacts(**{**basis, **facts})) == expected


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ([TaskStatus.DONE, TaskStatus.NOT_APPLICABLE], TaskStatus.DONE),
        ([TaskStatus.VERIFIED, TaskStatus.VERIFIED], TaskStatus.VERIFIED),
        ([TaskStatus.VERIFIED, TaskStatus.DONE], TaskStatus.DONE),
        ([TaskStatus.VERIFIED, TaskStatus.REGRESSED], TaskStatus.REGRESSED),
        ([TaskStatus.VERIFIED, TaskStatus.TODO], TaskStatus.PARTLY_CONFIRMED),
        ([TaskStatus.TODO, TaskStatus.TODO], TaskStatus.TODO),
        ([TaskStatus.AWAITING_VERIFICATION], TaskStatus.PARTLY_CONFIRMED),
        ([TaskStatus.DECLINED, TaskStatus.DECLINED], TaskStatus.DECLINED),
        ([TaskStatus.DECLINED, TaskStatus.DONE, TaskStatus.ACCEPTED_RISK], TaskStatus.DONE),
        ([TaskStatus.BLOCKED, TaskStatus.DONE], TaskStatus.PARTLY_CONFIRMED),
        ([TaskStatus.NOT_APPLICABLE], TaskStatus.NOT_APPLICABLE),
        ([], TaskStatus.NOT_APPLICABLE),
    ],
)
def test_group_status(children: list[TaskStatus], expected: TaskStatus) -> None:
    assert group_status(children, applies=True) == expected
