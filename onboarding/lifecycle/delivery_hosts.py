"""The delivery host of hosted mailboxes: a proposal from DNS or by the platform's naming rule.

The proposal becomes a host only after a person confirms it. The rule of consent applies to it as to
every other host: Gangway connects after a consultant has recorded the client's consent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from checks.engine.hosted_delivery import (
    GOOGLE_HOST,
    MICROSOFT_SUFFIXES,
    hosts_among,
    microsoft_host,
)
from checks.queries import discoveries_of
from checks.tasks import run_now
from onboarding.errors import OnboardingError
from onboarding.lifecycle.tenants import log_subject_changes
from onboarding.plan_templates.plan_creation import apply_profile
from tenants import database_time, domain_lifecycle
from tenants.activity_names import ActivityName
from tenants.models import Domain, Host, Platform, Tenant, User
from tenants.services import write_activity

SMTP_PORT = 25
# The lab's stand-ins have these names, which never exist in public DNS.
_LAB_MICROSOFT_SUFFIX = ".mail.protection.outlook.test"
_LAB_GOOGLE_HOST = "smtp.google.test"
_HOSTED_PLATFORM = {
    Platform.MICROSOFT_365: Platform.MICROSOFT_365,
    Platform.GOOGLE_WORKSPACE: Platform.GOOGLE_WORKSPACE,
    # The hosted half of a hybrid system.
    Platform.HYBRID: Platform.MICROSOFT_365,
}
_MAIL_ROLES = (Domain.Role.PRIMARY, Domain.Role.SECONDARY)


@dataclass(frozen=True)
class DeliveryHostProposal:
    """A delivery host that a person should confirm. `is_from_dns`: the domain's MX named it."""

    domain: str
    name: str
    port: int
    platform: str
    is_from_dns: bool

    @property
    def recipient(self) -> str:
        """RFC 5321 section 4.5.1: every domain accepts mail for its postmaster."""
        return f"postmaster@{self.domain}"


def proposed_delivery_host(
    tenant: Tenant, domains: Sequence[Domain], hosts: Sequence[Host]
) -> DeliveryHostProposal | None:
    """The proposal for the first mail domain; None without a hosted platform, or with its host.

    One query, and none where no proposal is possible.
    """
    if tenant.is_closed or not _needs_host(tenant, hosts):
        return None
    found = {each.domain_id: dict(each.found) for each in discoveries_of(tenant)}
    proposal = propose(tenant, domains, found)
    is_known = proposal is None or proposal.name in _delivery_names(hosts)
    return None if is_known else proposal


def _needs_host(tenant: Tenant, hosts: Sequence[Host]) -> bool:
    platform = _HOSTED_PLATFORM.get(Platform(tenant.platform)) if tenant.platform else None
    if platform is None:
        return False
    names = _delivery_names(hosts)
    if tenant.platform == Platform.HYBRID:
        return not hosts_among(names, platform)
    return not names


def _delivery_names(hosts: Iterable[Host]) -> list[str]:
    return [host.name for host in hosts if host.purpose == Host.Purpose.DELIVERY]


def propose(
    tenant: Tenant, domains: Sequence[Domain], found: Mapping[int, Mapping[str, Any]]
) -> DeliveryHostProposal | None:
    """The proposal by the DNS scans `found`, by domain id. Pure."""
    order = {role: number for number, role in enumerate(_MAIL_ROLES)}
    receiving = [domain for domain in domains if domain.role in order]
    if not receiving:
        return None
    domain = min(receiving, key=lambda each: order[Domain.Role(each.role)])
    platform = _HOSTED_PLATFORM[Platform(tenant.platform)]
    # Before the switch, MX names the right host, also one with another form than the rule.
    seen = hosts_among(found.get(domain.pk, {}).get("mx", ()), platform)
    name = seen[0] if seen else _usual_host(tenant, domain, platform)
    return DeliveryHostProposal(
        domain.name, name, delivery_port(tenant), platform.label, bool(seen)
    )


def _usual_host(tenant: Tenant, domain: Domain, platform: Platform) -> str:
    if platform is Platform.GOOGLE_WORKSPACE:
        return _LAB_GOOGLE_HOST if tenant.is_sample else GOOGLE_HOST
    suffix = _LAB_MICROSOFT_SUFFIX if tenant.is_sample else MICROSOFT_SUFFIXES[0]
    return microsoft_host(domain.name, suffix)


def delivery_port(tenant: Tenant) -> int:
    """Port 25, or the port of the lab's mail hosts for a sample tenant."""
    if tenant.is_sample and settings.LAB_PLACES is not None:
        return int(settings.LAB_PLACES.smtp_port)
    return SMTP_PORT


def confirm_delivery_host(
    tenant: Tenant, name: str, *, recipient: str, has_consent: bool, decides: bool, by: User
) -> Host:
    """Store the delivery host with its checks. Raises OnboardingError if it is known already.

    `has_consent`: a consultant states that the client agrees to connections. Without `decides`
    the host is a proposal, which a consultant confirms.
    """
    with transaction.atomic():
        # Locked: of two simultaneous requests, the second gets an error.
        tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if tenant.is_closed:
            raise OnboardingError("The tenant has been closed. Nothing was changed.")
        port = delivery_port(tenant)
        same = {"purpose": Host.Purpose.DELIVERY, "name": name, "port": port}
        if tenant.hosts.filter(**same).exists():
            raise OnboardingError(f"{name} is already a delivery host. Nothing was changed.")
        at = database_time.now() if has_consent else None
        host = domain_lifecycle.add_or_restore(
            Host(
                tenant=tenant,
                recipient=recipient,
                consented_at=at,
                consented_by=by if at else None,
                proposed_at=None if decides else database_time.now(),
                proposed_by=None if decides else by,
                **same,
            )
        )
        apply_profile(tenant)
        log_subject_changes(tenant, by=by, added=[str(host)], changed=[])
        if has_consent:
            write_activity(tenant, ActivityName.CONSENT_GIVEN, by=by, names=[str(host)])
        run_now(tenant.checks.filter(host=host, is_active=True))
    return host
