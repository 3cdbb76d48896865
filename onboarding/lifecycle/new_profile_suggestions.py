"""Values of a new profile, suggested by the DNS of its domains, each with its reason. Pure.

A person sees each suggestion with its confidence and can change it. A value without evidence stays
empty: Gangway never chooses one to fill a field.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from checks.engine.dns.public_suffix import organisational_domain
from onboarding.lifecycle.country_zones import zone_of
from tenants.models import DirectoryMethod, Domain, Platform
from tenants.regions import Region, load_regions

_DIRECTORIES = {
    Platform.MICROSOFT_365: DirectoryMethod.ENTRA_ID,
    Platform.GOOGLE_WORKSPACE: DirectoryMethod.GOOGLE,
}
_ROUTING_ENDING = ".onmicrosoft.com"
# The profile states the original TTL only if it is longer than this.
_ASSUMED_TTL = 86_400
_SMTP_PORT = 25

Found = Mapping[str, Mapping[str, Any] | None]


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


@dataclass(frozen=True)
class SuggestedValue:
    """The suggested value of a field. `shown` is its text, and `reason` a sentence."""

    value: Any = ""
    shown: str = ""
    confidence: Confidence = Confidence.NONE
    reason: str = "DNS does not show it."

    @property
    def is_found(self) -> bool:
        return self.confidence is not Confidence.NONE


@dataclass(frozen=True)
class SuggestedDomain:
    """A row of the domains. `fact` is a sentence about its DNS."""

    name: str
    role: str
    fact: str
    original_mx_ttl_seconds: int | None = None

    def as_row(self) -> dict[str, Any]:
        """The initial values of its form."""
        ttl = self.original_mx_ttl_seconds
        return {"name": self.name, "role": self.role, "original_mx_ttl_seconds": ttl}


@dataclass(frozen=True)
class NewProfileSuggestions:
    """All suggestions of a new profile. `fields` are those of the profile form by name."""

    fields: Mapping[str, SuggestedValue]
    domains: Sequence[SuggestedDomain]
    hosts: Sequence[Mapping[str, Any]] = ()
    cautions: Sequence[str] = ()
    senders: Sequence[str] = field(default=())

    @property
    def has_found(self) -> bool:
        return any(each.is_found for name, each in self.fields.items() if name != "name")


def suggest_profile(domains: Sequence[str], found: Found) -> NewProfileSuggestions:
    """The suggestions for these domains. A domain without a usable answer has None in `found`."""
    known = {name: data for name in domains if (data := found.get(name))}
    platform = _platform(known)
    rows = [*_domain_rows(domains, found)]
    return NewProfileSuggestions(
        fields={
            "name": _name(rows),
            "region": _region(known),
            "platform": platform,
            "directory_method": _directory(platform),
            "time_zone": _time_zone(domains),
            "dkim_in_use": _dkim(known),
        },
        domains=rows,
        hosts=_hosts(known),
        cautions=[*_cautions(domains, found)],
        senders=_senders(known),
    )


def _names(names: Sequence[str]) -> str:
    """Up to two names, and the number of the others."""
    shown = " and ".join(names[:2])
    return f"{shown} and {len(names) - 2} more" if len(names) > 2 else shown


def _name(rows: Sequence[SuggestedDomain]) -> SuggestedValue:
    primary = next((row.name for row in rows if row.role == Domain.Role.PRIMARY), "")
    label = organisational_domain(primary).partition(".")[0]
    if not label or label.startswith("xn--"):
        return SuggestedValue()
    name = label.replace("-", " ").title()
    return SuggestedValue(
        name, name, Confidence.LOW, f"From the domain {primary}. Check the spelling."
    )


def _platform(known: Mapping[str, Mapping[str, Any]]) -> SuggestedValue:
    """The platform of most domains. Behind a gateway only SPF shows it."""
    by_domain = {name: data["platform"] for name, data in known.items() if data["platform"]}
    if not by_domain:
        return SuggestedValue(
            reason="DNS does not show it. Ask the client where the mailboxes are."
        )
    value = Counter(by_domain.values()).most_common(1)[0][0]
    names = [name for name, platform in by_domain.items() if platform == value]
    label = str(Platform(value).label)
    gateways = sorted({known[name]["gateway"] for name in names if known[name]["gateway"]})
    if gateways:
        reason = f"From SPF of {_names(names)}: MX points to {_names(gateways)}."
        return SuggestedValue(value, label, Confidence.MEDIUM, reason)
    if value == Platform.ON_PREMISES:
        reason = f"The MX hosts of {_names(names)} belong to the company."
        return SuggestedValue(value, label, Confidence.MEDIUM, reason)
    others = [name for name, platform in by_domain.items() if platform != value]
    if others:
        reason = f"From MX of {_names(names)}. {_names(others)} differs."
        return SuggestedValue(value, label, Confidence.MEDIUM, reason)
    return SuggestedValue(value, label, Confidence.HIGH, f"From MX of {_names(names)}.")


def _directory(platform: SuggestedValue) -> SuggestedValue:
    directory = _DIRECTORIES.get(platform.value)
    if directory is None:
        return SuggestedValue(reason="DNS does not show it. Ask the client.")
    label = str(directory.label)
    reason = f"Usual with {platform.shown}. DNS does not show it."
    return SuggestedValue(directory.value, label, Confidence.LOW, reason)


def _region(known: Mapping[str, Mapping[str, Any]]) -> SuggestedValue:
    for region in load_regions().values():
        for name, data in known.items():
            hosts = [host for host in data["mx"] if host in region.mx]
            if hosts:
                reason = f"MX of {name} lists {hosts[0]}."
                return SuggestedValue(region.id, region.name, Confidence.HIGH, reason)
    for region in load_regions().values():
        for name, data in known.items():
            if _includes(data, region):
                reason = f"SPF of {name} includes {region.spf_include}."
                return SuggestedValue(region.id, region.name, Confidence.MEDIUM, reason)
    return SuggestedValue(
        reason="DNS does not show it. Enter the account code, or choose the region."
    )


def _includes(data: Mapping[str, Any], region: Region) -> bool:
    terms = {sender["term"] for sender in data["senders"]}
    return bool(region.spf_include) and f"include:{region.spf_include}" in terms


def _time_zone(domains: Sequence[str]) -> SuggestedValue:
    zones = {zone: name for name in reversed(domains) if (zone := zone_of(name))}
    if len(zones) == 1:
        ((zone, name),) = zones.items()
        ending = name.rpartition(".")[2]
        return SuggestedValue(zone, zone, Confidence.LOW, f"From the ending .{ending} of {name}.")
    return SuggestedValue(reason="DNS does not show it. Type the city of the client.")


def _dkim(known: Mapping[str, Mapping[str, Any]]) -> SuggestedValue:
    signed = {name: data["dkim_selectors"] for name, data in known.items()}
    signed = {name: selectors for name, selectors in signed.items() if selectors}
    if signed:
        name, selectors = next(iter(signed.items()))
        reason = f"{name} publishes the key of {_names(selectors)}."
        return SuggestedValue(True, "yes", Confidence.HIGH, reason)
    return SuggestedValue(
        False, "no", reason="No key at the usual selectors. Other selectors can exist."
    )


def _domain_rows(domains: Sequence[str], found: Found) -> Sequence[SuggestedDomain]:
    routing = [name for name in domains if name.endswith(_ROUTING_ENDING)]
    primary = next((name for name in domains if name not in routing), "")
    rows = [_domain_row(name, found.get(name), is_primary=name == primary) for name in domains]
    added = {
        data["onmicrosoft"]: name
        for name, data in found.items()
        if data and data["onmicrosoft"] and data["onmicrosoft"] not in domains
    }
    role = Domain.Role.ROUTING.value
    for name, source in added.items():
        rows.append(SuggestedDomain(name, role, f"Added from the DKIM records of {source}."))
    return rows


def _domain_row(name: str, data: Mapping[str, Any] | None, *, is_primary: bool) -> SuggestedDomain:
    if name.endswith(_ROUTING_ENDING):
        return SuggestedDomain(name, Domain.Role.ROUTING.value, "A name of Microsoft 365.")
    other = Domain.Role.PRIMARY if is_primary else Domain.Role.SECONDARY
    if data is None:
        return SuggestedDomain(name, other.value, "No reliable answer from its name servers.")
    role = Domain.Role.PRIMARY if is_primary else _role(data)
    ttl = data["mx_ttl"]
    original = ttl if ttl is not None and ttl > _ASSUMED_TTL else None
    return SuggestedDomain(name, role.value, _fact(data), original)


def _role(data: Mapping[str, Any]) -> Domain.Role:
    if data["mx"] or "mx" in data["unanswered"] or _may_receive_at_address(data):
        return Domain.Role.SECONDARY
    if data["senders"] or "spf" in data["unanswered"]:
        return Domain.Role.SEND_ONLY
    return Domain.Role.PARKED


def _may_receive_at_address(data: Mapping[str, Any]) -> bool:
    """Whether mail may reach a domain without an MX record. An earlier scan does not know it."""
    return bool(data.get("may_receive_at_address", not data["mx"]))


def _fact(data: Mapping[str, Any]) -> str:
    if data["mx"]:
        ttl = f", TTL {data['mx_ttl']} s" if data["mx_ttl"] is not None else ""
        return f"MX today: {_names(data['mx'])}{ttl}."
    if "mx" in data["unanswered"]:
        return "No reliable answer about its MX."
    sends = "SPF permits senders" if data["senders"] else "no SPF record permits a sender"
    if _may_receive_at_address(data):
        return (
            f"No MX record, and {sends}. Its A or AAAA record may receive mail: if it does not,"
            " select another role."
        )
    return f"No MX record, and {sends}."


def _hosts(known: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    names = dict.fromkeys(data["delivery_host"] for data in known.values())
    return [{"purpose": "delivery", "name": name, "port": _SMTP_PORT} for name in names if name]


def _cautions(domains: Sequence[str], found: Found) -> Sequence[str]:
    with_policy = [name for name in domains if (data := found.get(name)) and data["mta_sts"]]
    silent = [name for name in domains if not found.get(name)]
    sentences = []
    if with_policy:
        sentences.append(
            f"{_names(with_policy)}: an MTA-STS policy is published. The plan has a task for it,"
            " because senders reject MX hosts that the policy does not list."
        )
    if silent:
        sentences.append(
            f"{_names(silent)}: no name server gave a reliable answer. Check the spelling."
            " Gangway scans the DNS again after you create the tenant."
        )
    return sentences


def _senders(known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = [sender["name"] for data in known.values() for sender in data["senders"]]
    return sorted({name for name in names if name})
