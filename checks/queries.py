"""Reads of checks and observations, with the related rows that their pages need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from checks.engine.known_providers import SENDERS, match_suffix
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Discovery, Observation
from tenants.models import Tenant
from tenants.names import display_domain

# Mimecast's SPF bypass of anti-spoofing ignores the terms after this number.
SPF_BYPASS_LIMIT = 10
# The observations in the history of a check, newest first.
MOST_SHOWN = 20


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
    is_removed = Q(domain__removed_at__isnull=False) | Q(host__removed_at__isnull=False)
    found = Check.objects.filter(is_removed, tenant=tenant, latest__isnull=False)
    return found.select_related("domain__removed_by", "host__removed_by", "latest")


def ended_checks(tenant: Tenant) -> QuerySet[Check]:
    """Checks with results that no longer run, of subjects that were not removed.

    The checks of a tenant that was closed before completion.
    """
    found = Check.objects.filter(tenant=tenant, is_active=False, latest__isnull=False)
    of_present = found.filter(domain__removed_at=None, host__removed_at=None)
    return of_present.select_related("domain", "host", "latest")


def due_checks(now: datetime) -> QuerySet[Check]:
    """Active checks that are due and not claimed by a living worker.

    None of an imported tenant that no person has started.
    """
    return Check.objects.filter(
        Q(claimed_until__isnull=True) | Q(claimed_until__lte=now),
        is_active=True,
        next_due_at__lte=now,
        tenant__checks_paused_at=None,
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
    """A sender in a domain's SPF record. `name` is empty for an unknown provider.

    `record` measures the SPF record that an include or a redirect names, if a check expanded it.
    """

    domain: str
    term: str
    name: str
    record: SpfSize | None = None


@dataclass(frozen=True)
class SpfSize:
    """The terms of one SPF record, and the DNS lookups that its evaluation needs."""

    terms: int
    lookups: int

    @property
    def exceeds_bypass(self) -> bool:
        """Whether Mimecast's SPF bypass ignores a part of the record: it reads ten terms."""
        return self.terms > SPF_BYPASS_LIMIT or self.lookups > SPF_BYPASS_LIMIT


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


def spf_trees(tenant: Tenant) -> dict[str, dict[str, Any]]:
    """The expanded SPF record of each domain, by the newest observation that has one."""
    checks = checks_of(tenant).filter(kind=CheckKind.SPF, domain__removed_at=None)
    return {
        check.domain.name: check.latest.evidence["tree"]
        for check in checks.order_by("domain__pk")
        if check.domain and check.latest and check.latest.evidence.get("tree")
    }


def spf_sizes(trees: dict[str, dict[str, Any]]) -> dict[str, SpfSize]:
    """The size of every record in the trees: of the domains, and of all that they include."""
    found: dict[str, SpfSize] = {}
    for domain, tree in trees.items():
        found[domain] = _size(tree)
        nodes = list(tree["children"])
        while nodes:
            node = nodes.pop()
            target = spf_target(node["term"])
            # A record with a problem was not expanded completely, so its size is unknown.
            if target and not node.get("problem"):
                found.setdefault(target, _size(node))
            nodes.extend(node["children"])
    return found


def _size(node: dict[str, Any]) -> SpfSize:
    terms = len(node["children"]) + node.get("terms_not_shown", 0)
    return SpfSize(terms, node["lookups"] - node["cost"])


def spf_target(term: str) -> str:
    """The domain whose record the term uses; empty for other terms and for macros."""
    text = term.removeprefix("+").lower()
    for prefix in ("include:", "redirect="):
        if text.startswith(prefix) and "%" not in text:
            return text.removeprefix(prefix).removesuffix(".")
    return ""


def spf_senders(tenant: Tenant, trees: dict[str, dict[str, Any]]) -> list[DiscoveredSender]:
    """Return the senders in the SPF records of the tenant's domains.

    The newest observation of a domain counts, and without one the newest DNS scan. Mimecast's own
    ranges are left out.
    """
    sizes = spf_sizes(trees)
    observed = [
        DiscoveredSender(
            display_domain(domain), term, match_suffix(target, SENDERS), sizes.get(target)
        )
        for domain, tree in trees.items()
        for term in (node["term"] for node in tree["children"])
        if term[:1] not in "-~?" and term.removeprefix("+").lower() != "all"
        for target in [spf_target(term)]
    ]
    known = {each.domain for each in observed} | {display_domain(domain) for domain in trees}
    scanned = [each for each in discovered_senders(tenant) if each.domain not in known]
    return [each for each in (*observed, *scanned) if not each.name.startswith("Mimecast")]


def recent_observations(check: Check) -> QuerySet[Observation]:
    return Observation.objects.filter(check_asked=check)[:MOST_SHOWN]


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


def tested_routes(tenant: Tenant) -> dict[str, datetime]:
    """When each delivery host last received a message from the region, by its host name. One query.

    The source are submitted messages, so the times are unverified.
    """
    rows = Observation.objects.filter(
        check_asked__tenant=tenant,
        check_asked__kind=CheckKind.DELIVERY_MESSAGE,
        verdict__in=(Verdict.PASS, Verdict.WARN),
    ).values_list("evidence__route", "evidence__message__received_at")
    found: dict[str, datetime] = {}
    for route, text in rows:
        if route and text:
            received_at = datetime.fromisoformat(text)
            found[route] = max(received_at, found.get(route, received_at))
    return found
