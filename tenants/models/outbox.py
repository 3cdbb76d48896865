"""The outbox, and the counts of operational events."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants.models.tenants import Tenant
from tenants.public_ids import new_public_id


class OutboxMessage(models.Model):
    """Work for another server: an e-mail to send, or a message to a Celery worker.

    The transaction of a change stores the message, so that no broker and no mail server has to
    answer then. See `tenants.outbox`.
    """

    # Part of the Message-ID of an e-mail: a second copy is recognisable.
    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    # The name of a composer of e-mails, or `task` for the message to a worker.
    kind = models.CharField(max_length=40)
    # Empty for e-mails about accounts.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    # Both are emptied after sending. Secrets in the payload are encrypted.
    recipient = models.EmailField(blank=True)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    # Without a date: three days after `created_at`.
    expires_at = models.DateTimeField(null=True, blank=True)
    # The queued or running delivery; another one starts after `claimed_until`.
    claim_id = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    # The class of the error and the code of the mail server, without addresses.
    last_error = models.CharField(max_length=100, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # The message expired or became obsolete before it was sent.
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["not_before", "pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["not_before"],
                name="outbox_waiting",
                condition=models.Q(sent_at=None, ended_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class EventCount(models.Model):
    """How often an operational event happened, for the page of the workers."""

    name = models.CharField(max_length=60, unique=True)
    number = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.number}"
