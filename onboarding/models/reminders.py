"""E-mails that ask one side to act."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from onboarding.models.plans import Plan, Task
from tenants import database_time
from tenants.models import User
from tenants.public_ids import new_public_id


class Reminder(models.Model):
    """One e-mail to one person about the tasks that wait on them. A worker sends it once."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="reminders")
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    tasks = models.ManyToManyField(Task, related_name="reminders")
    # None for an automatic reminder.
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # The address at which its links begin.
    site_url = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # None of the tasks waited on the recipient any more when the e-mail was due.
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-requested_at", "-pk"]

    def __str__(self) -> str:
        return f"reminder to {self.recipient}"
