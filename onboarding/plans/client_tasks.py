"""The division of the client's page: to do now, under verification, on Mimecast, upcoming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from onboarding.models import Cutover, Responsibility, Task, TaskStatus
from onboarding.plans.planned_cutovers import ROLE_OF_DIRECTION
from onboarding.plans.rows import TaskRow
from tenants.models import User

# The order on the client's page: regressed tasks first, then tasks that wait for the client.
_URGENCY = {
    # A message contradicts a complete task.
    TaskStatus.VERIFIED: 0,
    TaskStatus.DONE: 0,
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
class UpcomingTask:
    """A task that waits for others, with its date: the window of its cutover, or its due date."""

    row: TaskRow
    window_at: datetime | None = None
    zone: tzinfo = UTC

    @property
    def task(self) -> Task:
        return self.row.task

    @property
    def day(self) -> date | None:
        """The day at the client, for sorting. None without a window and a due date."""
        return self.window_at.astimezone(self.zone).date() if self.window_at else self.task.due_on


@dataclass(frozen=True)
class ClientTasks:
    """The client's page: tasks to do now, under verification, that wait on Mimecast, upcoming."""

    now: tuple[TaskRow, ...]
    more: int
    verifying: tuple[TaskRow, ...]
    on_mimecast: tuple[TaskRow, ...]
    upcoming: tuple[UpcomingTask, ...]

    @property
    def number(self) -> int:
        """All tasks that the client can do now."""
        return len(self.now) + self.more


def client_tasks(
    rows: Sequence[TaskRow],
    *,
    most: int = 3,
    cutovers: Sequence[Cutover] = (),
    zone: tzinfo = UTC,
) -> ClientTasks:
    """Divide a plan's open tasks by the action that the client can take; `most` limits *now*.

    *Verifying* has only tasks that need time. A task whose proof waits for a person is to do now,
    and a complete one that a message contradicts.
    `cutovers` are in the order of their windows. `zone` is the time zone of the tenant.
    """
    leaves = [row for row in rows if row.task.is_open_leaf or row.is_on_person]
    on_client = [
        r for r in leaves if r.remaining_side in (Responsibility.CLIENT, Responsibility.BOTH)
    ]
    ready = [row for row in on_client if row.task.status in _URGENCY and row.needs_action]
    ready.sort(key=_pressing)
    verifying = [row for row in leaves if row.needs_time]
    on_mimecast = [row for row in leaves if _is_on_mimecast(row) and row not in verifying]
    waiting = [row for row in on_client if row.waits_for and row not in (*ready, *verifying)]
    upcoming = [UpcomingTask(row, _window_at(row, cutovers), zone) for row in waiting]
    upcoming.sort(key=lambda each: (each.row.is_closure, each.day or date.max))
    return ClientTasks(
        now=tuple(ready[:most]),
        more=max(0, len(ready) - most),
        verifying=tuple(verifying),
        on_mimecast=tuple(on_mimecast),
        upcoming=tuple(upcoming[:5]),
    )


def _is_on_mimecast(row: TaskRow) -> bool:
    """Whether the client did its part, or a person set the task to wait on Mimecast."""
    if row.remaining_side != Responsibility.MIMECAST:
        return False
    is_set = row.task.status == TaskStatus.WAITING or row.is_on_person
    return is_set or row.task.client_confirmed_at is not None


def _window_at(row: TaskRow, cutovers: Sequence[Cutover]) -> datetime | None:
    """The first window of the cutover that completes the task."""
    for cutover in cutovers:
        if ROLE_OF_DIRECTION[Cutover.Direction(cutover.direction)] == row.task.role:
            return cutover.planned_at
    return None


def confirmed_row(rows: Sequence[TaskRow], task_id: str, user: User) -> TaskRow | None:
    """The task that the user has just confirmed and can still undo; None for any other task."""
    for row in rows:
        task = row.task
        if task.public_id == task_id:
            by = (task.mimecast_confirmed_by_id, task.client_confirmed_by_id)
            return row if user.pk in by and row.can_undo else None
    return None
