"""The readiness of a cutover: its facts, its rows, and the earliest safe time.

Pure over the facts: no database and no clock.
"""

from __future__ import annotations

from onboarding.cutovers.readiness.check_rows import (
    dkim_row,
    dmarc_row,
    mta_sts_row,
    ownership_row,
    spf_row,
)
from onboarding.cutovers.readiness.facts import (
    STALE_IN_WINDOW,
    ReadinessFacts,
    ReadinessRow,
    current_verdict,
    is_stale,
    stale_names,
)
from onboarding.cutovers.readiness.task_rows import (
    delivery_test_row,
    directory_row,
    open_tasks_of,
    other_tasks_row,
    outbound_days,
    outbound_first_row,
    routes_row,
    sign_offs_row,
)
from onboarding.cutovers.readiness.ttl import (
    earliest_safe_time,
    early_policies,
    pending_switches,
    ttl_row,
)
from onboarding.models import Cutover

__all__ = [
    "STALE_IN_WINDOW",
    "ReadinessFacts",
    "ReadinessRow",
    "current_verdict",
    "earliest_safe_time",
    "early_policies",
    "is_stale",
    "mta_sts_row",
    "open_tasks_of",
    "outbound_days",
    "pending_switches",
    "readiness_rows",
    "stale_names",
    "ttl_row",
]


def readiness_rows(facts: ReadinessFacts) -> list[ReadinessRow]:
    """The rows of the cutover's direction, in the order of the work.

    At least one row blocks while the cutover waits for a task of its own domains.
    """
    rows = [ownership_row(facts), directory_row(facts), routes_row(facts), sign_offs_row(facts)]
    if facts.cutover.direction == Cutover.Direction.OUTBOUND:
        rows += [spf_row(facts), dkim_row(facts), dmarc_row(facts)]
    else:
        rows += [
            delivery_test_row(facts),
            mta_sts_row(facts),
            ttl_row(facts),
            outbound_first_row(facts),
        ]
    return [*rows, other_tasks_row(facts, rows)]
