"""Reads of checks and observations, with the related rows that their pages need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from checks.engine.outcomes import CheckKind
from checks.models import Check, Discovery, Observation
from tenants.models import Tenant


def checks_of(tenant: Tenant) -> QuerySet[Check]:
    return Check.objects.filter(tenant=tenant, is_active=True).select_related(
        "domain", "host__proposed_by", "latest"
    )


# The same as `Check.is_proposed`, for queries.
IS_PROPOSED = (
    Q(kind=CheckKind.OWNERSHIP.value, domain__ownership_token="", domain__ownership_label="")
    | Q(kind__in=[CheckKind.DKIM.value, CheckKind.MESSAGE.value], domain__dkim_selectors="")
    | Q(host__proposed_at__isnull=False, host__confirmed_at__isnull=True)
)


def removed_checks(tenant: Tenant) -> QuerySet[Check]:
    """Checks of removed domains and hosts: they do not run any more, their history remains."""
    taken_out = Q(domain__removed_at__isnull=False) | Q(host__removed_at__isnull=False)
    found = Check.objects.filter(taken_out, tenant=tenant, latest__isnull=False)
    return found.select_related("domain__removed_by", "host__removed_by", "latest")


def due_checks(now: datetime) -> QuerySet[Check]:
    """Active checks that are due and not claimed by a living worker."""
    return Check.objects.filter(
        Q(claimed_until__isnull=True) | Q(claimed_until__lte=now),
        is_active=True,
        next_due_at__lte=now,
    )


def observations_by_kind(checks: Sequence[Check], kinds: Sequence[str]) -> QuerySet[Observation]:
    """Return all observations of these kinds, oldest first, with evidence.

    Judgements by newer rules are left out: no server was queried for them.
    """
    asked = [check.pk for check in checks if check.kind in kinds]
    seen = Observation.objects.filter(check_asked__in=asked, runs__gt=0)
    return seen.order_by("first_seen_at")


@dataclass(frozen=True)
class DiscoveredSender:
    """A sender in a domain's SPF record. `name` is empty for an unknown provider."""

    domain: str
    term: str
    name: str


def discoveries_of(tenant: Tenant) -> QuerySet[Discovery]:
    found = Discovery.objects.filter(domain__tenant=tenant, domain__removed_at=None)
    return found.select_related("domain")


def discovered_senders(tenant: Tenant) -> list[DiscoveredSender]:
    """Return the senders in the SPF records of the tenant's domains, by the newest scan of each.

    They are candidates for the spoofing exceptions. Mimecast's own ranges are left out.
    """
    return [
        DiscoveredSender(str(seen.domain), sender["term"], sender["name"])
        for seen in discoveries_of(tenant).order_by("domain__pk")
        for sender in seen.found.get("senders", ())
        if not sender["name"].startswith("Mimecast")
    ]


def recent_observations(check: Check, *, most: int = 20) -> QuerySet[Observation]:
    return Observation.objects.filter(check_asked=check)[:most]


def observations_of(*, tenant: str | None = None, kind: str | None = None) -> QuerySet[Observation]:
    """Return the observations of active checks with the rows for judging again; of all tenants
    by default.

    Only for an operator at the machine: the one read of observations across tenants.
    """
    found = Observation.objects.filter(check_asked__is_active=True).select_related(
        "raw", "check_asked__tenant", "check_asked__domain", "check_asked__host"
    )
    if tenant is not None:
        found = found.filter(check_asked__tenant__public_id=tenant)
    if kind is not None:
        found = found.filter(check_asked__kind=kind)
    return found.order_by("check_asked", "first_seen_at")


def newest_observations(
    *, tenant: str | None = None, kind: str | None = None
) -> QuerySet[Observation]:
    newest = Check.objects.filter(is_active=True, latest__isnull=False).values("latest")
    return observations_of(tenant=tenant, kind=kind).filter(pk__in=newest)
