"""Holding a plan's tasks, so that whoever writes sees what others wrote before."""

from __future__ import annotations

from django.db.models import QuerySet

from onboarding.models import (
    Phase,
    Plan,
    Task,
)


def tasks_of(plan: Plan) -> QuerySet[Task]:
    return Task.objects.filter(plan=plan).select_related(
        "mimecast_confirmed_by", "client_confirmed_by", "status_set_by", "assignee", "sheet"
    )


def phases_of(plan: Plan) -> QuerySet[Phase]:
    return Phase.objects.filter(plan=plan)


def phases_with_tasks(plan: Plan) -> tuple[list[Phase], list[Task]]:
    """A plan's phases and its tasks, each of which has its phase at hand. Two queries."""
    phases = {phase.pk: phase for phase in phases_of(plan)}
    tasks = list(tasks_of(plan))
    for task in tasks:
        task.phase = phases[task.phase_id]
    return list(phases.values()), tasks


def lock_tasks(plan_id: int) -> list[Task]:
    """All of the plan's tasks, in one order, as checks hold them: a status may move others'."""
    return list(Task.objects.select_for_update().filter(plan_id=plan_id).order_by("position"))
