"""The model of notifications."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models.tenants import Tenant
from tenants.models.users import User
from tenants.public_ids import new_public_id


class Notification(models.Model):
    """One event of a tenant for one person. `tenants.notifications` writes all rows."""

    class Kind(models.TextChoices):
        MENTION = "mention", "Mention"
        QUESTION = "question", "Question"
        ANSWER = "answer", "Answer"
        VOTE = "vote", "Vote"
        DECISION = "decision", "Decision"
        REMINDER = "reminder", "Waiting tasks"
        REGRESSED = "regressed", "Regressed proof"
        DRIFT = "drift", "Drift"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    recipient = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=10, choices=Kind)
    # The person who caused the event. Empty for checks and for Gangway itself.
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    # The values of the sentence and of the link, as plain JSON (tenants.notification_texts).
    params = models.JSONField(default=dict)
    # The object behind the event, such as `comment:<id>`. A person has one notification of it.
    source = models.CharField(max_length=120)
    # The event of an internal note: visible to staff only.
    is_internal = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    read_at = models.DateTimeField(null=True, blank=True)
    # The message of the outbox that sends this notification; empty before, and for the kinds with
    # an e-mail of their own.
    email_id = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["recipient", "source"], name="one_notification_per_source"
            )
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["recipient", "-created_at"], name="notification_of_person"),
            models.Index(
                fields=["recipient"],
                condition=models.Q(read_at=None),
                name="notification_unread",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.recipient}"
