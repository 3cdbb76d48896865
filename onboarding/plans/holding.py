"""Holding a plan's tasks, so that whoever writes sees what others wrote before."""

from __future__ import annotations

from onboarding.models import Task


def hold_plan(plan_id: int) -> list[Task]:
    """All of the plan's tasks, in one order, as checks hold them: a state may move others'."""
    return list(Task.objects.select_for_update().filter(plan_id=plan_id).order_by("position"))
