"""Creation and changes of a tenant: profile, domains, hosts, consents, checks and plan."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import transaction
from django.db.models import Q

from checks.expectations import sync_checks
from checks.models import Check
from checks.tasks import run_now
from onboarding.cutovers import planning
from onboarding.errors import ConflictingChange
from onboarding.lifecycle import domain_removal
from onboarding.lifecycle.domain_removal import RemovalEffect
from onboarding.lifecycle.tasks import queue_dns_scan
from onboarding.plan_templates.plan_creation import apply_profile, create_plan
from onboarding.plans.queries import lock_plan_facts
from tenants import database_time, domain_lifecycle
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Tenant, User
from tenants.proposals import without_agreed
from tenants.region_values import unconfirmed_overrides
from tenants.services import write_activity

# The fields of Tenant that a person enters. The region's own values have their own form.
PROFILE_FIELDS = (
    "name",
    "account_code",
    "region",
    "platform",
    "directory_method",
    "authentication",
    "products",
    "journaling",
    "dkim_in_use",
    "rfi_used",
    "time_zone",
    "consultant",
)

DNS_SCAN_LIMIT = ("dns-scan", "60/h")
HostKey = tuple[str, str, int]
Subject = TypeVar("Subject", Domain, Host)


# The profile fields that describe the kind of implementation, not the company itself.
CLONED_FIELDS = (
    "region",
    "platform",
    "directory_method",
    "authentication",
    "products",
    "journaling",
    "dkim_in_use",
    "rfi_used",
    "time_zone",
)


@dataclass(frozen=True)
class ProfileEntry:
    """Domains and hosts of a profile as entered: new rows, and existing rows with their new values.

    Existing rows that are missing stay unchanged, unless `removed` contains them. The client agrees
    to connections to exactly the hosts of `consented`. `removal_reason` is necessary if inbound
    mail of a planned cutover would switch first without the removed domains.
    """

    domains: Sequence[Domain] = ()
    hosts: Sequence[Host] = ()
    consented: Collection[HostKey] = ()
    removed: Sequence[RemovalEffect] = ()
    removal_reason: str = ""


@dataclass(frozen=True)
class _SavedRows(Generic[Subject]):
    added: Sequence[Subject]
    changed: Sequence[Subject]


def host_key(host: Host) -> HostKey:
    """The identity of a host within its tenant."""
    return (host.purpose, host.name, host.port)


def clone_of(source: Tenant) -> Tenant:
    """A new tenant with the profile of another one, not saved.

    Without its name and account code, and without the rows of the source: no domains, hosts,
    people, consents, evidence, region values or secrets.
    """
    return Tenant(**{name: copy.copy(getattr(source, name)) for name in CLONED_FIELDS})


def save_profile(tenant: Tenant, entry: ProfileEntry, *, by: User) -> None:
    """Create the tenant, or save its changed profile. Queue new checks and scans of new domains.

    Raises OnboardingError if a removed domain is in an open cutover window; then nothing is saved.
    """
    with transaction.atomic():
        added, consented = _store(tenant, entry, by=by)
        run_now(tenant.checks.filter(Q(checked_at=None) | Q(pk__in=[c.pk for c in consented])))
        queue_dns_scan(added)


def create_tenant(tenant: Tenant, entry: ProfileEntry, *, by: User | None) -> Tenant:
    """Create the tenant with its domains, hosts, checks and plan. Queues nothing."""
    _store(tenant, entry, by=by)
    return tenant


def _store(
    tenant: Tenant, entry: ProfileEntry, *, by: User | None
) -> tuple[Sequence[Domain], list[Check]]:
    """The one path of creating and editing. Returns the new domains, and the checks of the hosts
    to which the client agreed now."""
    is_new = tenant._state.adding
    with transaction.atomic():
        before = {} if is_new else _stored_profile(tenant)
        tenant.save(update_fields=None if is_new else PROFILE_FIELDS)
        if not is_new and before["region"] != tenant.region:
            _set_region_values_aside(tenant)
        if not is_new:
            planning.lock_cutovers(tenant)
            lock_plan_facts(tenant)
        if entry.removed:
            assert by is not None
            # First: the database rejects a second primary domain.
            domain_removal.remove_subjects(
                tenant, entry.removed, by=by, reason=entry.removal_reason
            )
        domains, hosts = _save_rows(tenant, entry.domains), _save_rows(tenant, entry.hosts)
        if is_new:
            sync_checks(tenant)
            create_plan(tenant)
            names = [domain.name for domain in domains.added]
            write_activity(tenant, ActivityName.TENANT_CREATED, by=by, domains=names)
        else:
            record_profile_change(tenant, before=before, by=by)
            _log_rows(tenant, domains, by=by)
            _log_rows(tenant, hosts, by=by)
        agreed = {host.pk for host in tenant.hosts.all() if host_key(host) in entry.consented}
        return domains.added, set_consent(tenant, agreed, by=by)


def _set_region_values_aside(tenant: Tenant) -> None:
    """The values of the former region lose their effect, also those that another person has just
    saved."""
    tenant.refresh_from_db(fields=["region_overrides"])
    tenant.region_overrides = unconfirmed_overrides(tenant.region_overrides)
    tenant.save(update_fields=["region_overrides"])


def _stored_profile(tenant: Tenant) -> dict[str, Any]:
    stored = Tenant.objects.select_related("consultant").get(pk=tenant.pk)
    return {name: getattr(stored, name) for name in PROFILE_FIELDS}


def _save_rows(tenant: Tenant, rows: Sequence[Subject]) -> _SavedRows[Subject]:
    """Add or restore the new rows, and save the changed fields of the others."""
    new = [row for row in rows if row._state.adding]
    changed = _save_changed([row for row in rows if not row._state.adding])
    for row in new:
        row.tenant = tenant
    return _SavedRows([domain_lifecycle.add_or_restore(row) for row in new], changed)


def _save_changed(rows: Sequence[Subject]) -> list[Subject]:
    if not rows:
        return []
    model = type(rows[0])
    names = domain_lifecycle.PROFILE_FIELDS[model]
    stored = {row.pk: row for row in model.objects.filter(pk__in=[row.pk for row in rows])}
    fields = {
        row.pk: [name for name in names if getattr(row, name) != getattr(stored[row.pk], name)]
        for row in rows
        if row.pk in stored
    }
    changed = [row for row in rows if fields.get(row.pk)]
    # The former primary domain first: the database rejects a second one.
    for row in sorted(changed, key=_is_primary):
        if isinstance(row, Domain):
            # A consultant who enters the proposed value confirms it.
            row.proposals = without_agreed(row, stored[row.pk].proposals)
            fields[row.pk].append("proposals")
        row.save(update_fields=fields[row.pk])
    return changed


def _is_primary(row: Domain | Host) -> bool:
    return isinstance(row, Domain) and row.role == Domain.Role.PRIMARY


def _log_rows(tenant: Tenant, rows: _SavedRows[Any], *, by: User | None) -> None:
    added, changed = map(str, rows.added), map(str, rows.changed)
    log_subject_changes(tenant, by=by, added=list(added), changed=list(changed))


def set_consent(tenant: Tenant, agreed: Collection[int], *, by: User | None) -> list[Check]:
    """Store the client's consent to connections to exactly these hosts (primary keys).

    Returns the active checks of the hosts with a new consent.
    """
    hosts = Host.objects.filter(tenant=tenant)
    new = list(hosts.filter(pk__in=agreed, consented_at__isnull=True))
    withdrawn = list(hosts.exclude(pk__in=agreed).filter(consented_at__isnull=False))
    for rows, action, at in (
        (new, ActivityName.CONSENT_GIVEN, database_time.now()),
        (withdrawn, ActivityName.CONSENT_WITHDRAWN, None),
    ):
        if rows:
            Host.objects.filter(pk__in=[host.pk for host in rows]).update(
                consented_at=at, consented_by=by if at else None
            )
            write_activity(tenant, action, by=by, names=[str(host) for host in rows])
    return list(Check.objects.filter(host__in=new, is_active=True))


def record_profile_change(tenant: Tenant, *, before: dict[str, Any], by: User | None) -> None:
    """Update checks and plan after a saved change, and log the changed fields."""
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
    by: User | None,
    added: Sequence[str],
    changed: Sequence[str],
) -> None:
    """Log the added and changed domains and hosts."""
    actions = {ActivityName.SUBJECTS_ADDED: added, ActivityName.SUBJECTS_CHANGED: changed}
    for action, names in actions.items():
        if names:
            write_activity(tenant, action, by=by, names=list(names))


def save_region_values(tenant: Tenant, overrides: dict[str, object], *, by: User) -> None:
    """Store the tenant's own region values. Checks without a settled verdict run again.

    Raises ConflictingChange if the region or its values have changed since the tenant was read: a
    value of one region proves nothing in another.
    """
    before = {"region_overrides": tenant.region_overrides}
    with transaction.atomic():
        stored = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        read = (tenant.region, tenant.region_overrides)
        if (stored.region, stored.region_overrides) != read:
            raise ConflictingChange(
                "Another user changed the region or its values. Check them. Nothing was saved."
            )
        tenant.region_overrides = overrides
        tenant.save(update_fields=["region_overrides"])
        record_profile_change(tenant, before=before, by=by)
        run_now(tenant.checks.filter(settled_verdict=""))


def request_dns_scan(tenant: Tenant, domain: Domain, *, by: User) -> None:
    """Queue a DNS discovery of the domain."""
    with transaction.atomic():
        queue_dns_scan([domain])
        write_activity(tenant, ActivityName.CHECK_REQUESTED, by=by, subject=f"the DNS of {domain}")
        tenant.plan.touch()
