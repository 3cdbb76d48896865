"""Writes to people and tenants that are more than one plain save."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from tenants.activity import add_line
from tenants.models import ActivityLine, Tenant, User


def write_activity(
    tenant: Tenant | None, act: str, *, by: User | None = None, **params: Any
) -> ActivityLine:
    """Add a line to the tenant's activity, or to the installation's without a tenant.

    `by` is None when a check did it; `params` hold what it was done to, before and after.
    """
    return add_line(tenant, act, by=by, params=params)


def end_sessions(user: User) -> None:
    """Sign a person out everywhere: none of their sessions is good for another request."""
    User.objects.filter(pk=user.pk).update(session_round=F("session_round") + 1)
