"""The stored figures of plans, phases and cutovers, by which lists and the dashboard filter.

`onboarding.portfolio.risk_updates` alone writes them, together with the risks of the plan.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from onboarding.models.cutovers import Cutover
from onboarding.models.plans import Phase, Plan, Responsibility


class PlanFigures(models.Model):
    """The figures of one plan. Days are working days of the tenant."""

    plan = models.OneToOneField(
        Plan, on_delete=models.CASCADE, primary_key=True, related_name="figures"
    )
    # The key of the first phase with open tasks; empty when all tasks are complete.
    current_phase = models.CharField(max_length=60, blank=True)
    # The task that has waited longest: its side, and since when.
    waiting_on = models.CharField(max_length=10, choices=Responsibility, blank=True)
    waiting_since = models.DateTimeField(null=True, blank=True)
    # The start of the first window whose mail has not switched.
    next_cutover_at = models.DateTimeField(null=True, blank=True)
    # The end of the implementation: expected, due now, and in the original schedule.
    forecast_on = models.DateField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    original_due_on = models.DateField(null=True, blank=True)
    # Working days from the due date, and from the original schedule, to the forecast.
    late_days = models.IntegerField(null=True, blank=True)
    slip_days = models.IntegerField(null=True, blank=True)
    # Residual risks that are not over, and open drifts, of a closed implementation.
    follow_up = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"figures of {self.plan}"

    @property
    def shown_slip(self) -> int | None:
        """Against the original schedule, or against the due date of a plan without one."""
        return self.late_days if self.slip_days is None else self.slip_days


class PhaseTime(models.Model):
    """The days of one phase, in working days of the tenant."""

    phase = models.OneToOneField(
        Phase, on_delete=models.CASCADE, primary_key=True, related_name="time"
    )
    # The first day on which a side could act, and the day of the last completed task.
    started_on = models.DateField()
    completed_on = models.DateField(null=True, blank=True)
    # Until the completion, or until today.
    days = models.PositiveIntegerField()
    # Days on which at least one task of the phase waited on the side.
    mimecast_days = models.PositiveIntegerField()
    client_days = models.PositiveIntegerField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["completed_on"], name="phase_time_completed")
        ]

    def __str__(self) -> str:
        return f"days of {self.phase}"


class CutoverStatus(models.Model):
    """The readiness of one cutover, as the calendar of the dashboard shows it."""

    class State(models.TextChoices):
        READY = "ready", "Ready"
        AT_RISK = "at-risk", "At risk"
        OPEN = "open", "Open"
        SWITCHED = "switched", "Switched"

    cutover = models.OneToOneField(
        Cutover, on_delete=models.CASCADE, primary_key=True, related_name="status"
    )
    state = models.CharField(max_length=10, choices=State)
    # Such as "2 blockers" or "Not safe yet".
    label = models.CharField(max_length=40)

    def __str__(self) -> str:
        return f"{self.state}: {self.cutover}"
