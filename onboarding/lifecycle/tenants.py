"""TODO docstring."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from checks.expectations import sync_checks
from checks.models import Check
from onboarding.plan_templates.plan_creation import (
    apply_profile,  # NEW
    create_plan,  # NEW
)
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class DomainEntry:
    """A domain as entered: normalised name, role, and the code that Mimecast issued, if known."""

    name: str
    role: str
    ownership_token: str = ""
    ownership_label: str = ""
    dkim_selectors: str = ""
    original_mx_ttl_seconds: int | None = None


@dataclass(frozen=True)
class HostEntry:
    """A host as entered; `consent`: the client agrees that we connect to it."""

    purpose: str
    name: str
    port: int
    consent: bool = False
    recipient: str = ""


@dataclass(frozen=True)
class NewTenant:
    """All that creating a tenant takes. `profile` holds Tenant's own fields."""

    profile: dict[str, Any]
    domains: Sequence[DomainEntry]
    hosts: Sequence[HostEntry] = field(default_factory=tuple)


def create_tenant(entry: NewTenant, *, by: User | None) -> Tenant:
    """A tenant with its domains, hosts, checks and plan, or none of it."""
    with transaction.atomic():
        tenant = Tenant.objects.create(**entry.profile)
        Domain.objects.bulk_create(
            Domain(
                tenant=tenant,
                name=domain.name,
                role=domain.role,
                ownership_token=domain.ownership_token,
                ownership_label=domain.ownership_label,
                dkim_selectors=domain.dkim_selectors,
                original_mx_ttl_seconds=domain.original_mx_ttl_seconds,
            )
            for domain in entry.domains
        )
        Host.objects.bulk_create(
            Host(
                tenant=tenant,
                purpose=host.purpose,
                name=host.name,
                port=host.port,
                recipient=host.recipient,
            )
            for host in entry.hosts
        )
        sync_checks(tenant)
        create_plan(tenant)
        write_activity(
            tenant, ActivityName.TENANT_CREATED, by=by, domains=[d.name for d in entry.domains]
        )
        agreed = {(host.purpose, host.name, host.port) for host in entry.hosts if host.consent}
        if agreed:
            hosts = {host.pk for host in tenant.hosts.all() if _key_of(host) in agreed}
            set_consent(tenant, hosts, by=by)
    return tenant


def _key_of(host: Host) -> tuple[str, str, int]:
    return (host.purpose, host.name, host.port)


def set_consent(tenant: Tenant, agreed: Collection[int], *, by: User | None) -> list[Check]:
    """The client agrees to our connecting to exactly these of its hosts, and to no other.

    Returns the checks of hosts that may be looked at from now on.
    """
    hosts = Host.objects.filter(tenant=tenant)
    given = list(hosts.filter(pk__in=agreed, consented_at__isnull=True))
    withdrawn = list(hosts.exclude(pk__in=agreed).filter(consented_at__isnull=False))
    for rows, action, at in (
        (given, ActivityName.CONSENT_GIVEN, timezone.now()),
        (withdrawn, ActivityName.CONSENT_WITHDRAWN, None),
    ):
        if rows:
            Host.objects.filter(pk__in=[host.pk for host in rows]).update(
                consented_at=at, consented_by=by if at else None
            )
            write_activity(tenant, action, by=by, names=[str(host) for host in rows])
    return list(Check.objects.filter(host__in=given, is_active=True))


def record_profile_change(tenant: Tenant, *, before: dict[str, Any], by: User) -> None:
    """Note what a saved profile changed, and let checks and plan follow."""
    after = {name: getattr(tenant, name) for name in before}
    changes = {
        name: [str(before[name]), str(after[name])]
        for name in before
        if before[name] != after[name]
    }
    with transaction.atomic():
        apply_profile(tenant)
        if changes:
            write_activity(tenant, ActivityName.PROFILE_CHANGED, by=by, changes=changes)


def log_subject_changes(
    tenant: Tenant,
    *,
    by: User,
    added: Sequence[str],
    changed: Sequence[str],
) -> None:
    """Lines for domains and hosts that came, or got another role or code."""
    actions = {ActivityName.SUBJECTS_ADDED: added, ActivityName.SUBJECTS_CHANGED: changed}
    for action, names in actions.items():
        if names:
            write_activity(tenant, action, by=by, names=list(names))
