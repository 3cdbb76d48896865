"""The decision on a task in the closing pack: status, reason, people and time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboarding.lifecycle.closing_pack.decisions import Decision, decision_of
from onboarding.models import ManualStatus, Task, TaskStatus
from tenants.models import User

AT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
LATER = AT + timedelta(days=1)
JO, CON = User(name="Jo"), User(name="Con")
MANUAL = {"status_reason": "No budget.", "status_set_at": AT, "status_set_by": JO}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"applies": False, "not_applicable_reason": "No LDAP.", "status": "not_applicable"},
            Decision("Not applicable", "No LDAP.", (), LATER),
        ),
        (
            {"manual_status": ManualStatus.NOT_NEEDED, "status": "not_applicable", **MANUAL},
            Decision("Not applicable", "No budget.", (JO,), AT),
        ),
        (
            {"manual_status": ManualStatus.DECLINED, "status": "declined", **MANUAL},
            Decision("Declined", "No budget.", (JO,), AT),
        ),
        (
            {"manual_status": ManualStatus.ACCEPTED_RISK, "status": "accepted_risk", **MANUAL},
            Decision("Accepted risk", "No budget.", (JO,), AT),
        ),
        # A proof outweighs the earlier decline.
        (
            {"manual_status": "declined", "status": "verified", "verified_at": LATER, **MANUAL},
            Decision("Verified", "A check verified it.", (), LATER),
        ),
        (
            {"wait_after": "cutover", "status": "verified", "verified_at": AT},
            Decision("Verified", "The wait ended.", (), AT),
        ),
        # A wait after a task that does not apply has no manual status.
        ({"status": "not_applicable"}, Decision("Not applicable", "", (), LATER)),
        (
            {
                "status": "done",
                "mimecast_confirmed_at": LATER,
                "mimecast_confirmed_by": CON,
                "client_confirmed_at": AT,
                "client_confirmed_by": JO,
            },
            Decision("Done", "Confirmed.", (CON, JO), LATER),
        ),
        (
            {"status": "done", "client_confirmed_at": AT, "client_confirmed_by": JO},
            Decision("Done", "Confirmed.", (JO,), AT),
        ),
    ],
)
def test_decision_has_reason_people_and_time(values: dict[str, Any], expected: Decision) -> None:
    assert decision_of(Task(status_changed_at=LATER, **values)) == expected


@pytest.mark.parametrize(
    "status",
    [TaskStatus.TODO, TaskStatus.IN_PROGRESS, TaskStatus.REGRESSED, TaskStatus.PARTLY_CONFIRMED],
)
def test_open_task_has_no_decision(status: TaskStatus) -> None:
    """A pack of a tenant that was closed by an earlier version may contain such tasks."""
    assert decision_of(Task(status=status, **MANUAL)).status == "No decision"
