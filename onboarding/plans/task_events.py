"""The webhook events of tasks, and the values of a task in a notification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onboarding.models import Plan, Responsibility, Task, TaskStatus
from tenants.models import WebhookEvent
from tenants.webhooks.events import TenantEvent, add_events

# By task id: the status and the side to act before the roll-up.
Before = Mapping[int, tuple[str, str]]


def values_before(tasks: Sequence[Task]) -> Before:
    return {task.pk: (task.status, task.waiting_on) for task in tasks}


def add_task_events(plan: Plan, tasks: Sequence[Task], before: Before) -> None:
    """Store the events of the changed tasks, in the transaction of the roll-up.

    A group follows its sub-tasks and has no event. The first roll-up of a new plan changes nothing
    that another system knows. A plan that was read with `has_webhooks` needs no query without one.
    """
    if plan.revision and getattr(plan, "has_webhooks", True):
        add_events(list(_events(plan, tasks, before)))


def _events(plan: Plan, tasks: Sequence[Task], before: Before) -> Iterator[TenantEvent]:
    for task in tasks:
        status, side = before[task.pk]
        if task.is_group:
            continue
        if task.status != status:
            data = {
                "task": _task(task),
                "status": str(task.status),
                "status_label": TaskStatus(task.status).label,
                "previous": str(status),
                "previous_label": TaskStatus(status).label,
            }
            yield TenantEvent(WebhookEvent.TASK_CHANGED, plan.tenant_id, data)
        if task.waiting_on != side:
            yield _side_changed(plan, task, task.waiting_on, before=side)


def add_end_of_waiting(plan: Plan, tasks: Sequence[Task]) -> None:
    """Store the events of tasks that wait on no side any more, because the tenant closes."""
    add_events([_side_changed(plan, each, "", before=each.waiting_on) for each in tasks])


def _side_changed(plan: Plan, task: Task, side: str, *, before: str) -> TenantEvent:
    data = {
        "task": _task(task),
        "waiting_on": side,
        "waiting_on_label": Responsibility(side).label if side else "",
        "previous": before,
    }
    return TenantEvent(WebhookEvent.WAITING_SIDE_CHANGED, plan.tenant_id, data)


def _task(task: Task) -> dict[str, Any]:
    return {"id": task.public_id, "title": task.title}


def task_params(task: Task) -> dict[str, str]:
    """The values of a task in the `params` of a notification: its title and its place."""
    values = {"id": task.public_id, "title": task.title}
    return {**values, "phase": task.phase.key, "key": task.key}
