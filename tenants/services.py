"""Writes to people and tenants that are more than one plain save."""

from __future__ import annotations

from typing import Any

from tenants.models import ActivityLine, Tenant, User


def write_activity(
    tenant: Tenant, act: str, *, by: User | None = None, **params: Any
) -> ActivityLine:
    """Add a line to the tenant's activity; `by` is None when a check did it."""
    return ActivityLine.objects.create(tenant=tenant, act=act, actor=by, params=params)
