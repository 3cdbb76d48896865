"""The condition of a request that waits for the settled verdict of a check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.models import Check
from checks.scheduling import REQUESTED_FOR
from checks.waiting import has_settled

NOW = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SETTLED = {
    "settled_verdict": "pass",
    "checked_at": NOW - 60 * SECOND,
    "next_due_at": NOW + 60 * SECOND,
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"settled_verdict": "fail"}, True),
        ({"settled_verdict": ""}, False),
        ({"contradicting_runs": 1}, False),
        ({"next_due_at": NOW}, False),
        ({"claimed_until": NOW + SECOND}, False),
        # The claim of a dead worker.
        ({"claimed_until": NOW}, True),
        # Requested before the newest run, and after it.
        ({"requested_until": NOW - 61 * SECOND + REQUESTED_FOR}, True),
        ({"requested_until": NOW - 59 * SECOND + REQUESTED_FOR}, False),
        ({"requested_until": NOW + REQUESTED_FOR, "checked_at": None}, False),
        ({"requested_until": NOW, "checked_at": None}, True),
        ({"is_active": False, "settled_verdict": "", "next_due_at": NOW}, True),
    ],
)
def test_has_settled(changed: dict[str, Any], expected: bool) -> None:
    assert has_settled(Check(**(SETTLED | changed)), now=NOW) is expected
