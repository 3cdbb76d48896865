"""The residual risks that a consultant accepted before the closing of an implementation."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from tenants import database_time
from tenants.models import Tenant, User
from tenants.public_ids import new_public_id


class ResidualRiskKind(models.TextChoices):
    """An unfinished wait, or a state that no check has verified, at the end of the work."""

    LAST_CACHE = "last-cache", "Old MX records in caches"
    SAFE_LOCKDOWN = "safe-lockdown", "Safe time of the lockdown"
    LOCKDOWN = "lockdown", "Lockdown not verified"
    MX_TTL = "mx-ttl", "MX TTL not raised again"
    WAIT = "wait", "Wait not over"
    CONTRADICTION = "contradiction", "Received message contradicts a task"


class AcceptedResidualRisk(models.Model):
    """One residual risk, as the page showed it, and the reason of the person who accepted it.

    Rows are never deleted. A withdrawn row remains as history.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="accepted_residual_risks"
    )
    kind = models.CharField(max_length=20, choices=ResidualRiskKind)
    # The domain, the host or the task that the risk concerns; empty for the whole tenant.
    subject = models.CharField(max_length=255, blank=True)
    # The state that was accepted. Another state, or a later end, needs another acceptance.
    state = models.CharField(max_length=20)
    ends_at = models.DateTimeField(null=True, blank=True)
    sentence = models.TextField()
    reason = models.CharField(max_length=500)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(default=database_time.known_now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["accepted_at", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "subject"],
                condition=Q(withdrawn_at__isnull=True),
                name="one_acceptance_per_residual_risk",
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="residual_risk_accepted_for_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.subject or self.tenant}"
