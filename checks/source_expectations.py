"""The values that the checks of a proof source expect, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from checks.engine.outcomes import CheckKind
from checks.engine.sources.exchange_online.ranges import ENTERED
from tenants.models import Domain
from tenants.regions import Region

_MAIL_ROLES = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST)
# The SPF ranges are only a part of the delivery ranges, also those that a consultant entered.
_PARTIAL = "medium"


@dataclass(frozen=True)
class Organisation:
    """The client's organisation at its platform, named by its primary domain.

    `sending` are the domains that send mail, `all` those of the profile with any role.
    """

    name: str
    sending: Sequence[str]
    all: Sequence[str]


def organisation_domain(domains: Iterable[Domain]) -> Domain | None:
    """The domain that names the organisation: the primary one, else the oldest that has mail."""
    receiving = sorted(
        (each for each in domains if each.role in _MAIL_ROLES),
        key=lambda each: (each.role != Domain.Role.PRIMARY, each.pk),
    )
    return next(iter(receiving), None)


def source_expectation(
    kind: CheckKind, organisation: Organisation, region: Region
) -> dict[str, Any]:
    """The expectation of one check. Another value in it makes another question."""
    expected: dict[str, Any] = {"organisation": organisation.name}
    match kind:
        case CheckKind.CONNECTION_FILTER | CheckKind.ENHANCED_FILTERING:
            expected["ranges"] = delivery_ranges(region)
        case CheckKind.INBOUND_CONNECTOR:
            expected["ranges"] = delivery_ranges(region)
            expected["certificate"] = region.proving("certificate_subject")
        case CheckKind.OUTBOUND_CONNECTOR:
            names = ("outbound_smarthosts", "exchange_online_smarthosts")
            families = [_sorted_lower(region.proving(name)) for name in names]
            expected["smart_hosts"] = [family for family in families if family]
        case CheckKind.CLOUD_JOURNALING:
            expected["journal_hosts"] = _sorted_lower(region.proving("journal_hosts"))
        case CheckKind.ACCEPTED_DOMAINS:
            expected["domains"] = sorted(organisation.sending)
            expected["all_domains"] = sorted(organisation.all)
        case CheckKind.CLOUD_SIGNING:
            expected["domains"] = sorted(organisation.sending)
    return expected


def delivery_ranges(region: Region) -> list[list[str]]:
    """Each known range with its confidence: the list of a consultant, or all public ranges."""
    fact = region.facts.get("delivery_ip4")
    if fact is not None and fact.confidence == ENTERED:
        return [[network, ENTERED] for network in sorted(region.delivery_ip4)]
    confidences: dict[str, str] = {}
    for name in ("delivery_ip4", "spf_ip4"):
        found = region.facts.get(name)
        for network in getattr(region, name):
            confidence = found.of(network).confidence if found is not None else ""
            # The stronger of two sources counts.
            if confidences.get(network) in (None, "low"):
                confidences[network] = _PARTIAL if confidence == ENTERED else confidence
    return [[network, confidence] for network, confidence in sorted(confidences.items())]


def _sorted_lower(hosts: Iterable[str]) -> list[str]:
    return sorted(host.lower() for host in hosts)
