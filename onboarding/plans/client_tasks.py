"""The division of the client's page: tasks to do now, under verification, and upcoming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from onboarding.models import Responsibility, TaskStatus
from onboarding.plans.rows import TaskRow

# The order on the client's page: regressed tasks first, then tasks that wait for the client.
_URGENCY = {
    TaskStatus.REGRESSED: 0,
    TaskStatus.AWAITING_VERIFICATION: 0,
    TaskStatus.WAITING: 1,
    TaskStatus.PARTLY_CONFIRMED: 2,
    TaskStatus.BLOCKED: 3,
    TaskStatus.IN_PROGRESS: 4,
    TaskStatus.TODO: 5,
}


def _pressing(row: TaskRow) -> tuple[bool, int, bool, date]:
    """The sort key: the closing task last, then by urgency, required tasks first, by due date."""
    task = row.task
    urgency = _URGENCY[TaskStatus(task.status)]
    return row.is_closure, urgency, task.is_optional, task.due_on or date.max


@dataclass(frozen=True)
class ClientTasks:
    """The client's page: tasks to do now, tasks under verification, and upcoming tasks."""

    now: tuple[TaskRow, ...]
    more: int
    verifying: tuple[TaskRow, ...]
    upcoming: tuple[TaskRow, ...]


def client_tasks(rows: Sequence[TaskRow], *, most: int = 3) -> ClientTasks:
    """Divide a plan's open tasks by the action that the client can take; `most` limits *now*.

    *Verifying* has only tasks that need time. A task that its check contradicts is to do now.
    """
    leaves = [row for row in rows if row.task.is_open_leaf]
    on_client = [
        r for r in leaves if r.remaining_side in (Responsibility.CLIENT, Responsibility.BOTH)
    ]
    ready = [row for row in on_client if row.task.status in _URGENCY and row.needs_action]
    ready.sort(key=_pressing)
    verifying = [row for row in leaves if row.needs_time]
    upcoming = [row for row in on_client if row.open_dependencies and row not in ready]
    upcoming.sort(key=lambda row: row.is_closure)
    return ClientTasks(
        now=tuple(ready[:most]),
        more=max(0, len(ready) - most),
        verifying=tuple(verifying),
        upcoming=tuple(upcoming[:5]),
    )
