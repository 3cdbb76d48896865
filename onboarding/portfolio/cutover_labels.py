"""The short label of a cutover's readiness, for calendars without room for a sentence. Pure."""

from __future__ import annotations

from onboarding.plans.rows import Shape
from onboarding.portfolio.tenant_status import TenantStatus

SWITCHED = "Switched"
_LABELS = {
    Shape.PASS: "Ready",
    Shape.FAIL: "At risk",
    Shape.WAITING: "Not safe yet",
    Shape.UNKNOWN: "Unknown",
}


def readiness_label(
    status: TenantStatus, *, is_switched: bool, is_blocked: bool, open_tasks: int
) -> tuple[Shape, str]:
    """The shape and the label of one cutover.

    `status` is the status of its tenant with this cutover alone. `open_tasks` is the number of open
    tasks that it waits for, and `is_blocked` states whether they are a risk already. The cutover
    room counts the conditions that block, which can be fewer or more: its count is not this one.
    """
    tasks = f"{open_tasks} open task{'' if open_tasks == 1 else 's'}"
    if is_switched:
        return Shape.PASS, SWITCHED
    if is_blocked:
        return Shape.FAIL, tasks
    if status.shape is Shape.WAITING and open_tasks:
        return Shape.TODO, tasks
    return status.shape, _LABELS.get(status.shape, "Open")
