"""The checks of a tenant and their expectations, from its domains, hosts and region."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import transaction

from checks.engine.outcomes import CheckKind
from checks.models import Check
from checks.source_expectations import Organisation, organisation_domain, source_expectation
from checks.submitted_exports import supplied_sources
from tenants import database_time
from tenants.models import Domain, Host, Tenant
from tenants.proposals import ProposalKind, has_confirmed, values_in_use
from tenants.regions import Region

_MAIL_ROLES = {Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST}
ROLES_BY_KIND: dict[CheckKind, set[Domain.Role]] = {
    CheckKind.OWNERSHIP: _MAIL_ROLES | {Domain.Role.SEND_ONLY, Domain.Role.ROUTING},
    CheckKind.SPF: _MAIL_ROLES | {Domain.Role.SEND_ONLY},
    CheckKind.DKIM: _MAIL_ROLES | {Domain.Role.SEND_ONLY},
    CheckKind.DMARC: _MAIL_ROLES | {Domain.Role.SEND_ONLY},
    CheckKind.MESSAGE: _MAIL_ROLES | {Domain.Role.SEND_ONLY},
    CheckKind.DELIVERY_MESSAGE: _MAIL_ROLES,
    CheckKind.MTA_STS: _MAIL_ROLES,
    CheckKind.MX_TTL: _MAIL_ROLES,
    CheckKind.MX: _MAIL_ROLES,
}
# In the expectation of a message: the selectors that a client proposed and no consultant confirmed.
_PROPOSED_SELECTORS = "proposed_selectors"
PURPOSE_BY_KIND = {
    CheckKind.SMTP: Host.Purpose.DELIVERY,
    CheckKind.LDAPS: Host.Purpose.DIRECTORY,
    CheckKind.LOCKDOWN: Host.Purpose.DELIVERY,
}


def expectation(kind: CheckKind, domain: Domain | None, region: Region) -> dict[str, Any] | None:
    """The expected values as plain data; None when the check cannot run yet.

    A value that a client proposed is expected like a confirmed one. `Check.is_proposed`
    distinguishes the two: a verdict on a proposed value completes no task and is no consent to
    connections.
    """
    match kind:
        case CheckKind.OWNERSHIP if domain is not None:
            code = values_in_use(domain, ProposalKind.OWNERSHIP)
            if not any(code.values()):
                return None
            return {"token": code["ownership_token"], "label": code["ownership_label"]}
        case CheckKind.SPF:
            return {"spf_include": region.proving("spf_include")}
        case CheckKind.DKIM | CheckKind.MESSAGE if domain is not None:
            return _selector_expectation(kind, domain)
        case CheckKind.MX | CheckKind.MTA_STS | CheckKind.MX_TTL:
            threshold = {"ttl_threshold": settings.CHECKS_TTL_THRESHOLD_SECONDS}
            mx = {"mx": sorted(region.proving("mx"))}
            return threshold | mx if kind is CheckKind.MX_TTL else mx
        case CheckKind.DELIVERY_MESSAGE:
            return {"region": region.id}
        case CheckKind.LOCKDOWN:
            # Without a control target, a closed port may be the fault of our own network.
            return {} if settings.CHECKS_CONTROL_TARGET is not None else None
        case _:
            return {}


def selectors_in_use(domain: Domain) -> list[str]:
    """The selectors of Mimecast's signature: the confirmed ones, else the proposed ones."""
    return values_in_use(domain, ProposalKind.DKIM)["dkim_selectors"].split()


def _selector_expectation(kind: CheckKind, domain: Domain) -> dict[str, Any] | None:
    """A recorded selector is necessary: without it, Mimecast's signature is like any other.

    The list of selectors is not part of the question about a message, so that one more selector
    does not undo a proof. A list that a client proposed is: a proof by another system's selector
    must not remain when a consultant enters Mimecast's.
    """
    selectors = selectors_in_use(domain)
    if not selectors:
        return None
    if kind is CheckKind.DKIM:
        return {"selectors": selectors}
    return {} if has_confirmed(domain, ProposalKind.DKIM) else {_PROPOSED_SELECTORS: selectors}


def _is_same_question(check: Check, domain: Domain, expected: dict[str, Any]) -> bool:
    """Whether a changed expectation is the same question: the consultant confirmed the proposed
    selectors, alone or with others."""
    proposed = check.expectation.get(_PROPOSED_SELECTORS)
    return (
        bool(proposed)
        and not expected
        and check.is_active
        and set(proposed) <= set(domain.dkim_selectors.split())
    )


def lock_checks(tenant: Tenant) -> list[Check]:
    """Lock all checks of the tenant, always in one order."""
    rows = Check.objects.select_for_update(no_key=True).filter(tenant=tenant)
    return list(rows.order_by("pk"))


def sync_checks(tenant: Tenant) -> list[Check]:
    """Align the tenant's checks with its domains, hosts and region; return the new checks.

    A check without a question is deactivated and its history remains. A check with a changed
    expectation is a new question: its settled verdict is reset.
    """
    now = database_time.now()
    added: list[Check] = []
    with transaction.atomic():
        existing = {(c.kind, c.domain_id, c.host_id): c for c in lock_checks(tenant)}
        for kind, domain, host, expected in _expected_checks(tenant):
            key = (kind.value, domain.pk if domain else None, host.pk if host else None)
            check = existing.pop(key, None)
            if check is None:
                added.append(
                    Check(tenant=tenant, kind=kind, domain=domain, host=host, expectation=expected)
                )
            elif check.expectation == expected and check.is_active:
                continue
            elif domain is not None and _is_same_question(check, domain, expected):
                Check.objects.filter(pk=check.pk).update(expectation=expected)
            else:
                Check.objects.filter(pk=check.pk).update(
                    expectation=expected,
                    is_active=True,
                    settled_verdict="",
                    settled_at=now,
                    contradicting_runs=0,
                    contradicted_since=None,
                    first_verified_at=None,
                    received_at=None,
                    facts_at=None,
                    is_misconfigured=False,
                    next_due_at=now,
                )
        Check.objects.filter(pk__in=[check.pk for check in existing.values()]).update(
            is_active=False
        )
        return Check.objects.bulk_create(added)


def _expected_checks(
    tenant: Tenant,
) -> Iterator[tuple[CheckKind, Domain | None, Host | None, dict[str, Any]]]:
    if not tenant.is_checked:
        return
    region = tenant.region_values
    for domain in tenant.domains.all():
        for kind, roles in ROLES_BY_KIND.items():
            expected = expectation(kind, domain, region) if domain.role in roles else None
            if expected is not None:
                yield kind, domain, None, expected
    for host in tenant.hosts.all():
        for kind, purpose in PURPOSE_BY_KIND.items():
            expected = expectation(kind, None, region) if host.purpose == purpose else None
            if expected is not None:
                yield kind, None, host, expected | _recipient_expectation(kind, host)
    yield from _source_checks(tenant, region)


def _source_checks(
    tenant: Tenant, region: Region
) -> Iterator[tuple[CheckKind, Domain | None, Host | None, dict[str, Any]]]:
    """The checks of the sources that have supplied facts, all about the organisation.

    Without facts there is no check, so that no page shows a gap.
    """
    sources = supplied_sources(tenant)
    domains = list(tenant.domains.all()) if sources else []
    named = organisation_domain(domains)
    if named is None:
        return
    organisation = Organisation(
        named.name,
        [each.name for each in domains if each.role in ROLES_BY_KIND[CheckKind.SPF]],
        [each.name for each in domains],
    )
    for source in sources:
        for kind in source.kinds:
            yield kind, named, None, source_expectation(kind, organisation, region)


def _recipient_expectation(kind: CheckKind, host: Host) -> dict[str, str]:
    """The test recipient of the host, if any. Another recipient is another question.

    Hosted platforms greet everyone. Only the reply to a recipient shows whether they are locked.
    """
    asks = kind in (CheckKind.SMTP, CheckKind.LOCKDOWN) and bool(host.recipient)
    return {"recipient": host.recipient} if asks else {}
