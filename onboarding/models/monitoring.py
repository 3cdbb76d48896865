"""Monitoring after go-live, its drifts and the notifications about them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from tenants import database_time
from tenants.models import Tenant, User
from tenants.public_ids import new_public_id


class Monitoring(models.Model):
    """Monitoring of one tenant since go-live, against the baseline verified by then."""

    class Reason(models.TextChoices):
        CUTOVER = "cutover", "The inbound cutover was verified"
        CLOSED = "closed", "The implementation was closed"

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="monitoring")
    started_at = models.DateTimeField()
    reason = models.CharField(max_length=10, choices=Reason)
    # The region's values on which the client's records and firewall rules are based.
    region_values = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"monitoring of {self.tenant}"


class Drift(models.Model):
    """A difference from the baseline. A difference that recurs is another row."""

    class Kind(models.TextChoices):
        LEFTOVER_MX = "leftover_mx", "MX records changed"
        INCLUDE_GONE = "include_gone", "SPF no longer permits Mimecast"
        KEY_GONE = "key_gone", "DKIM key missing or changed"
        TTL_LOW = "ttl_low", "MX TTL never raised"
        PORT_REOPENED = "port_reopened", "Port 25 open again"
        REGION_CHANGED = "region_changed", "Mimecast’s values changed"
        MTA_STS_NARROWED = "mta_sts_narrowed", "MTA-STS does not permit the MX"

    class Resolution(models.TextChoices):
        RESOLVED = "resolved", "Resolved"
        APPLIED = "applied", "Accepted as the new baseline"
        UNMONITORED = "unmonitored", "No longer monitored"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="drifts", db_index=False
    )
    kind = models.CharField(max_length=20, choices=Kind)
    # Empty for a change of the region's values, which belongs to no single check.
    check_asked = models.ForeignKey(
        Check, on_delete=models.SET_NULL, null=True, blank=True, related_name="drifts"
    )
    subject = models.CharField(max_length=260)
    # The engine's finding codes; for a region, the changed values. The evidence is the observation.
    findings = models.JSONField(default=list)
    observation = models.ForeignKey(
        Observation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    opened_at = models.DateTimeField(default=database_time.known_now)
    closed_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=12, choices=Resolution, blank=True)
    resolved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolution_reason = models.CharField(max_length=500, blank=True)
    resolving_observation = models.ForeignKey(
        Observation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    acknowledgement_reason = models.CharField(max_length=500, blank=True)
    # No notification about the drift is sent before this time.
    muted_until = models.DateTimeField(null=True, blank=True)
    muted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Prevent a second notification about the same change.
    opening_notified_at = models.DateTimeField(null=True, blank=True)
    closing_notified_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-opened_at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "subject"],
                condition=Q(closed_at__isnull=True),
                name="one_open_drift_per_subject",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, resolution="")
                | (Q(closed_at__isnull=False) & ~Q(resolution="")),
                name="closed_drift_has_resolution",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "closed_at"], name="drift_tenant_closed")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    def is_muted(self, now: datetime) -> bool:
        return self.muted_until is not None and self.muted_until > now


# The kind of drift that a settled FAIL of each check opens after go-live.
DRIFT_OF_CHECK = {
    CheckKind.MX: Drift.Kind.LEFTOVER_MX,
    CheckKind.SPF: Drift.Kind.INCLUDE_GONE,
    CheckKind.DKIM: Drift.Kind.KEY_GONE,
    CheckKind.MX_TTL: Drift.Kind.TTL_LOW,
    CheckKind.LOCKDOWN: Drift.Kind.PORT_REOPENED,
    CheckKind.MTA_STS: Drift.Kind.MTA_STS_NARROWED,
}


class DriftNotification(models.Model):
    """One e-mail to one person about drifts; stored, so that it is sent once.

    The transaction that creates it also records the notification with each drift. A worker that
    dies after the mail server accepted the message and before the commit sends it again with the
    same Message-ID, so that mail programs show it once.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="drift_notifications")
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    # For each drift: kind, subject and change (opened, still open after a mute, or closed).
    changes = models.JSONField()
    created_at = models.DateTimeField(default=database_time.known_now)
    sent_at = models.DateTimeField(null=True, blank=True)
    # The lease of the worker that sends it. It expires if the worker dies.
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["created_at", "pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["created_at"],
                condition=Q(sent_at__isnull=True),
                name="drift_notification_unsent",
            )
        ]

    def __str__(self) -> str:
        return f"notification to {self.recipient} about {self.tenant}"
