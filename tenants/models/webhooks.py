"""Models: webhooks, the messages to them, and each delivery of a message."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models.tenants import Tenant
from tenants.models.users import User
from tenants.public_ids import new_public_id


class WebhookEvent(models.TextChoices):
    """The events. The values are part of the published format. Never rename one."""

    VERDICT_SETTLED = "verdict.settled", "Verdict settled"
    TASK_CHANGED = "task.changed", "Task changed"
    WAITING_SIDE_CHANGED = "waiting_side.changed", "Waiting side changed"
    CUTOVER_CHANGED = "cutover.changed", "Cutover changed"
    CUTOVER_DECIDED = "cutover.decided", "Cutover decided"
    DRIFT_BEGAN = "drift.began", "Drift began"
    DRIFT_ENDED = "drift.ended", "Drift ended"
    IMPLEMENTATION_CLOSED = "implementation.closed", "Implementation closed"
    # Only a person with the permission to manage the webhook sends it.
    TEST = "webhook.test", "Test"


class Webhook(models.Model):
    """The registration of one address for the events of one tenant or, without one, of all.

    It has the rights of its owner: without the permission to manage it, nothing is delivered.
    """

    class Format(models.TextChoices):
        JSON = "json", "JSON"
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"

    class PauseReason(models.TextChoices):
        NONE = "", "Not paused"
        PERSON = "person", "Paused by a person"
        FAILING = "failing", "No delivery succeeded for a day"
        GONE = "gone", "The target answered 410 Gone"
        OWNER = "owner", "The owner may no longer manage it"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks"
    )
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=60)
    # Encrypted: the address of a Slack or Teams webhook is a secret. Pages show the host alone.
    target = models.TextField()
    target_host = models.CharField(max_length=253)
    format = models.CharField(max_length=10, choices=Format, default=Format.JSON)
    events = models.JSONField(default=list)
    # Both encrypted. The previous secret also signs until its end.
    secret = models.TextField()
    previous_secret = models.TextField(blank=True)
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    # The base of the links in messages.
    site = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=10, choices=PauseReason, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    # Failures since the last success, and the time before which no message is sent because of them.
    failures = models.PositiveIntegerField(default=0)
    resting_until = models.DateTimeField(null=True, blank=True)
    # A worker delivers its messages. Another may start after `claimed_until`.
    claim_id = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    # A message to a worker is in the broker.
    queued_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(paused_at__isnull=True, pause_reason="")
                | (models.Q(paused_at__isnull=False) & ~models.Q(pause_reason="")),
                name="paused_webhook_has_reason",
            )
        ]

    def __str__(self) -> str:
        return self.name


class WebhookMessage(models.Model):
    """One event for one webhook. Its `public_id` is the webhook-id of every delivery."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="messages")
    # Empty for the test of a webhook of all tenants.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="webhook_messages"
    )
    event = models.CharField(max_length=40, choices=WebhookEvent)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    # The next delivery is not before this time.
    due_at = models.DateTimeField()
    # Deliveries of this round. A redelivery starts another round.
    attempts = models.PositiveIntegerField(default=0)
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["webhook", "tenant"],
                name="webhook_message_waiting",
                condition=models.Q(status="waiting"),
            ),
            models.Index(fields=["created_at"], name="webhook_message_created"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}"


class WebhookDelivery(models.Model):
    """One delivery of a message: the status of the answer and its first characters."""

    message = models.ForeignKey(WebhookMessage, on_delete=models.CASCADE, related_name="deliveries")
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status_code = models.PositiveIntegerField(null=True, blank=True)
    # A sentence about a delivery without an answer.
    error = models.CharField(max_length=120, blank=True)
    response = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.message_id}: {self.status_code or self.error}"

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300
