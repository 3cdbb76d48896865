"""Suggestions of DNS discovery for the profile. A person must accept each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from checks.models import Discovery
from checks.queries import DiscoveredSender, discovered_senders, discoveries_of
from onboarding.errors import OnboardingError
from onboarding.lifecycle import tenants
from onboarding.plan_templates import plan_creation
from tenants import domain_lifecycle
from tenants.activity_names import ActivityName
from tenants.models import DirectoryMethod, Domain, Host, Platform, Tenant, User
from tenants.services import write_activity

_DIRECTORY_OF = {
    Platform.MICROSOFT_365: DirectoryMethod.ENTRA_ID,
    Platform.GOOGLE_WORKSPACE: DirectoryMethod.GOOGLE,
}
_SMTP_PORT = 25


@dataclass(frozen=True)
class Suggestion:
    """One suggested value of the profile, and the current value that it replaces."""

    key: str
    value: str
    label: str
    shown: str
    instead_of: str = ""

    @property
    def fingerprint(self) -> str:
        """The identity of a dismissed suggestion: another value is another suggestion."""
        return f"{self.key}={self.value}"


@dataclass(frozen=True)
class DomainSuggestions:
    """The DNS discovery of one domain with its suggestions."""

    discovery: Discovery
    suggestions: tuple[Suggestion, ...]

    @property
    def domain(self) -> Domain:
        return self.discovery.domain

    @property
    def found(self) -> dict[str, Any]:
        return dict(self.discovery.found)


@dataclass(frozen=True)
class ProfileSuggestions:
    """The DNS section of the profile page: discoveries by domain, and all senders."""

    scanned: tuple[DomainSuggestions, ...]
    senders: tuple[DiscoveredSender, ...]
    not_scanned: tuple[Domain, ...]

    @property
    def is_under_way(self) -> bool:
        return any(each.discovery.is_in_progress for each in self.scanned)


def profile_suggestions(tenant: Tenant) -> ProfileSuggestions:
    domains, hosts = list(tenant.domains.all()), list(tenant.hosts.all())
    by_domain = {each.domain_id: each for each in discoveries_of(tenant)}
    scanned = [
        DomainSuggestions(
            by_domain[d.pk], tuple(suggested(tenant, by_domain[d.pk], domains, hosts))
        )
        for d in domains
        if d.pk in by_domain
    ]
    not_scanned = tuple(d for d in domains if d.pk not in by_domain)
    return ProfileSuggestions(tuple(scanned), tuple(discovered_senders(tenant)), not_scanned)


def suggested(
    tenant: Tenant, discovery: Discovery, domains: Sequence[Domain], hosts: Sequence[Host]
) -> list[Suggestion]:
    """The suggestions that differ from the profile and were not dismissed. Pure."""
    found = discovery.found
    offered = [
        *_of_platform(tenant, found),
        *_of_dkim(tenant, found),
        *_of_subjects(found, domains, hosts),
    ]
    return [each for each in offered if each.fingerprint not in discovery.dismissed]


def _of_platform(tenant: Tenant, found: dict[str, Any]) -> Iterator[Suggestion]:
    platform = found.get("platform", "")
    # Hybrid includes Microsoft 365, and DNS cannot show its other half.
    is_hybrid = tenant.platform == Platform.HYBRID and platform == Platform.MICROSOFT_365
    if platform in Platform.values and platform != tenant.platform and not is_hybrid:
        yield Suggestion(
            "platform", platform, "Mail platform", Platform(platform).label, _platform(tenant)
        )
    directory = _DIRECTORY_OF.get(platform)
    if directory is not None and tenant.directory_method != directory and not is_hybrid:
        now = DirectoryMethod(tenant.directory_method).label
        yield Suggestion("directory_method", directory.value, "Directory", directory.label, now)


def _platform(tenant: Tenant) -> str:
    return str(Platform(tenant.platform).label)


def _of_dkim(tenant: Tenant, found: dict[str, Any]) -> Iterator[Suggestion]:
    """Suggest only that DKIM is in use. The found selectors belong to the old platform, but the
    profile contains Mimecast's selectors."""
    if found.get("dkim_selectors") and not tenant.dkim_in_use:
        yield Suggestion("dkim_in_use", "yes", "DKIM today", "in use", "not in use")


def _of_subjects(
    found: dict[str, Any], domains: Sequence[Domain], hosts: Sequence[Host]
) -> Iterator[Suggestion]:
    routing, host = found.get("onmicrosoft", ""), found.get("delivery_host", "")
    if routing and routing not in {domain.name for domain in domains}:
        yield Suggestion("onmicrosoft", routing, "Routing domain to add", routing)
    known = {each.name for each in hosts if each.purpose == Host.Purpose.DELIVERY}
    if host and host not in known:
        yield Suggestion("delivery_host", host, "Delivery route to add", f"{host}:{_SMTP_PORT}")


def _offered(tenant: Tenant, discovery: Discovery, fingerprint: str) -> Suggestion:
    """The current suggestion. Raises OnboardingError if another person used or dismissed it."""
    domains, hosts = list(tenant.domains.all()), list(tenant.hosts.all())
    for suggestion in suggested(tenant, discovery, domains, hosts):
        if suggestion.fingerprint == fingerprint:
            return suggestion
    raise OnboardingError("This suggestion is no longer open. Nothing was changed.")


def use(tenant: Tenant, discovery: Discovery, fingerprint: str, *, by: User) -> Suggestion:
    """Enter the suggested value in the profile. Raises OnboardingError if it is no longer open."""
    with transaction.atomic():
        # Locked: of two simultaneous requests, the second gets an error.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        locked = Discovery.objects.select_for_update(no_key=True).get(pk=discovery.pk)
        suggestion = _offered(tenant, locked, fingerprint)
        match suggestion.key:
            case "onmicrosoft":
                added = domain_lifecycle.add_or_restore(
                    Domain(tenant=tenant, name=suggestion.value, role=Domain.Role.ROUTING)
                )
                _follow(tenant, str(added), by=by)
            case "delivery_host":
                host = domain_lifecycle.add_or_restore(
                    Host(
                        tenant=tenant,
                        purpose=Host.Purpose.DELIVERY,
                        name=suggestion.value,
                        port=_SMTP_PORT,
                    )
                )
                _follow(tenant, str(host), by=by)
            case key:
                _set_profile(tenant, key, suggestion.value, by=by)
    return suggestion


def _follow(tenant: Tenant, added: str, *, by: User) -> None:
    plan_creation.apply_profile(tenant)
    tenants.log_subject_changes(tenant, by=by, added=[added], changed=[])


def _set_profile(tenant: Tenant, key: str, value: str, *, by: User) -> None:
    before = {key: getattr(tenant, key)}
    setattr(tenant, key, True if key == "dkim_in_use" else value)
    tenant.save(update_fields=[key])
    tenants.record_profile_change(tenant, before=before, by=by)


def dismiss(tenant: Tenant, discovery: Discovery, fingerprint: str, *, by: User) -> Suggestion:
    """Dismiss the suggestion until a scan finds another value."""
    with transaction.atomic():
        locked = Discovery.objects.select_for_update(no_key=True).get(pk=discovery.pk)
        suggestion = _offered(tenant, locked, fingerprint)
        locked.dismissed = [*locked.dismissed, fingerprint]
        locked.save(update_fields=["dismissed"])
        write_activity(
            tenant,
            ActivityName.SUGGESTION_DISMISSED,
            by=by,
            suggestion=suggestion.label,
            value=suggestion.shown,
        )
    return suggestion
