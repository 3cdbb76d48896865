"""Mails that tell somebody whose turn it is."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from onboarding.models.plans import Plan, Task
from tenants.models import User
from tenants.public_ids import new_public_id


class Reminder(models.Model):
    """One mail to one person about the steps that wait for them; written once, sent by a worker."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="reminders")
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    tasks = models.ManyToManyField(Task, related_name="reminders")
    # Nobody where the product reminds by itself.
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    # Where its links lead.
    site_url = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # Every step had moved on before the mail could go.
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-requested_at", "-pk"]

    def __str__(self) -> str:
        return f"reminder to {self.recipient}"
