"""Reads of people and tenants. Every one starts from a person or a tenant."""

from __future__ import annotations

from django.db.models import QuerySet

from tenants.models import Membership, Tenant, User


def tenants_for(user: User) -> QuerySet[Tenant]:
    """The tenants a person may see: all for Mimecast's people, their own for a client's."""
    tenants = Tenant.objects.select_related("consultant")
    return tenants if user.is_mimecast else tenants.filter(memberships__user=user)


def membership(user: User, tenant: Tenant) -> Membership | None:
    return Membership.objects.filter(user=user, tenant=tenant).first()
