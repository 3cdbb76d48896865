"""Planned switches of a tenant's mail flow."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from onboarding.models.plans import Plan


class Cutover(models.Model):
    """A planned switch of the tenant's outbound or inbound mail flow."""

    class Direction(models.TextChoices):
        OUTBOUND = "outbound", "Outbound"
        INBOUND = "inbound", "Inbound"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="cutovers")
    direction = models.CharField(max_length=10, choices=Direction)
    planned_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["planned_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "direction"], name="one_cutover_per_direction")
        ]

    def __str__(self) -> str:
        return f"{self.get_direction_display()} cutover"
