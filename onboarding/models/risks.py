"""The risks of a plan: the reasons why it may miss a date, as rows that lists can filter."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from onboarding.models.plans import Plan


class PlanRisk(models.Model):
    """One reason. `onboarding.portfolio.risk_updates` alone writes it, from the plan's facts."""

    class Code(models.TextChoices):
        REGRESSED = "regressed", "A task regressed"
        FAILING = "failing", "A check fails"
        DRIFT = "drift", "Drift since go-live"
        OVERDUE = "overdue", "A cutover is overdue"
        BLOCKED = "blocked", "Open tasks shortly before a cutover"
        LATE = "late", "Late by the forecast"
        NO_APPROVER = "no-approver", "No approver"
        NO_ON_CALL = "no-on-call", "No person on call"
        WAITING = "waiting", "Waiting too long"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="risks")
    code = models.CharField(max_length=20, choices=Code)
    # The order of a plan's reasons, most urgent first.
    position = models.PositiveSmallIntegerField()
    # The values of the sentence, and the public id of the object that it links to.
    params = models.JSONField(default=dict)
    # The start of the cutover's window; None for a reason that concerns no cutover.
    cutover_at = models.DateTimeField(null=True, blank=True)
    # When this reason appeared. It remains while its code and its object stay the same.
    since = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["plan", "position"]

    def __str__(self) -> str:
        return f"{self.code} of {self.plan}"
