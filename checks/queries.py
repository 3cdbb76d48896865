"""Reads of checks and observations, with what their pages need already joined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from checks.models import Check, Observation
from tenants.models import Tenant


def checks_of(tenant: Tenant) -> QuerySet[Check]:
    return Check.objects.filter(tenant=tenant, is_active=True).select_related(
        "domain", "host", "latest"
    )


def due_checks(now: datetime) -> QuerySet[Check]:
    """Active checks whose time has come and that no living worker holds."""
    return Check.objects.filter(
        Q(claimed_until__isnull=True) | Q(claimed_until__lte=now),
        is_active=True,
        next_due_at__lte=now,
    )


def history(checks: Sequence[Check], kinds: Sequence[str]) -> QuerySet[Observation]:
    """Everything ever seen by the checks of these kinds, oldest first, evidence included."""
    asked = [check.pk for check in checks if check.kind in kinds]
    return Observation.objects.filter(check_asked__in=asked).order_by("first_seen_at")


def timeline(check: Check, *, most: int = 20) -> QuerySet[Observation]:
    return Observation.objects.filter(check_asked=check)[:most]
