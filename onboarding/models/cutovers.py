"""Planned switches of a tenant's mail flow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from onboarding.models.plans import Plan
from tenants.models import User
from tenants.public_ids import new_public_id


class Cutover(models.Model):
    """A planned switch of the tenant's outbound or inbound mail flow."""

    class Direction(models.TextChoices):
        OUTBOUND = "outbound", "Outbound"
        INBOUND = "inbound", "Inbound"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="cutovers")
    direction = models.CharField(max_length=10, choices=Direction)
    planned_at = models.DateTimeField()
    length_minutes = models.PositiveIntegerField(default=240)
    # How long outbound mail is agreed to run through Mimecast before inbound follows.
    outbound_days = models.PositiveIntegerField(default=3)
    # Of this very window: moving it takes both back. The risk in the words of whoever accepted it,
    # where the window was not known to be safe.
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    accepted_risk = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["planned_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "direction"], name="one_cutover_per_direction")
        ]

    def __str__(self) -> str:
        return f"{self.get_direction_display()} cutover"

    @property
    def ends_at(self) -> datetime:
        return self.planned_at + timedelta(minutes=self.length_minutes)


class CutoverSnapshot(models.Model):
    """What was published when a window opened, or when somebody asked: what a rollback puts back.

    Written once. `content` holds, for each domain, what every server told, when, and the public ids
    of the observation and digests of the raw answers it rests on.
    """

    class Reason(models.TextChoices):
        OPENED = "opened", "The window opened"
        ASKED = "asked", "Somebody asked"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    cutover = models.ForeignKey(Cutover, on_delete=models.CASCADE, related_name="snapshots")
    # The start of the window that it was taken for: a cutover may be moved and tried again.
    window_start = models.DateTimeField()
    reason = models.CharField(max_length=10, choices=Reason)
    taken_at = models.DateTimeField(default=timezone.now)
    taken_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    content = models.JSONField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar[list[str]] = ["-taken_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["cutover", "window_start"],
                condition=Q(reason="opened"),
                name="one_snapshot_per_opened_window",
            )
        ]

    def __str__(self) -> str:
        return f"snapshot of {self.taken_at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert self._state.adding, "a snapshot is never edited"
        super().save(*args, **kwargs)
