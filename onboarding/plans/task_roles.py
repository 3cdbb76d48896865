"""Find the tasks of a plan by their roles and checks."""

from __future__ import annotations

from collections.abc import Iterable

from checks.engine.outcomes import CheckKind
from onboarding.models import Task, TaskRole


def tasks_with_role(tasks: Iterable[Task], *roles: TaskRole) -> list[Task]:
    """The tasks that have one of the roles, in the order of the roles."""
    found = list(tasks)
    return [task for role in roles for task in found if task.role == role]


def task_with_role(tasks: Iterable[Task], role: TaskRole) -> Task | None:
    """The task that has the role, or None where the plan has no such task."""
    return next((task for task in tasks if task.role == role), None)


def task_verified_by(tasks: Iterable[Task], kind: CheckKind) -> Task | None:
    """The first task that checks of this kind verify, or None where the plan has no such task."""
    return next((task for task in tasks if kind.value in task.check_kinds), None)
