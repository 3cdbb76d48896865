"""Domains of a zone file, as new rows of the profile. Nothing is saved here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from checks.engine.zone_domains import MailDomain, mail_domains, read_zone_file, unread_lines
from checks.engine.zone_lines import ZoneTextError
from checks.engine.zone_text import ZoneNote, ZoneText
from onboarding.errors import OnboardingError
from tenants.errors import TenantError
from tenants.models import Domain, Tenant
from tenants.names import normalise_domain, normalise_registered_domain

# As in the API. A profile with more rows is hard to review.
MOST_DOMAINS = 200
_SHOWN = 20  # lines and names of one note


class UnreadableZone(OnboardingError):
    """The zone file cannot be read. The message is a sentence for the form."""


@dataclass(frozen=True)
class FoundDomain:
    """A domain to add, with the suggested role."""

    name: str
    role: str


@dataclass(frozen=True)
class ZoneDomains:
    """The domains to add, and the lines with $INCLUDE or $GENERATE, whose records are missing.

    `notes` are the other prominent notes about the lines, in the order of the lines.
    """

    domains: list[FoundDomain]
    unread_lines: list[int]
    notes: list[ZoneNote] = field(default_factory=list)

    @property
    def caution(self) -> str:
        """A sentence about the lines that were not read; empty without one."""
        if not self.unread_lines:
            return ""
        lines = ", ".join(map(str, self.unread_lines[:10]))
        return f"Records of $INCLUDE and $GENERATE are missing. Lines not read: {lines}."


def domains_to_add(tenant: Tenant, text: str, origin: str) -> ZoneDomains:
    """The mail domains of the zone file that the profile does not have.

    Raises UnreadableZone, and TenantError for an origin that is no domain name.
    """
    known = set(tenant.domains.values_list("name", flat=True))
    try:
        name = normalise_domain(origin)
        zone = read_zone_file(text, name)
    except ZoneTextError as error:
        raise UnreadableZone(f"The zone file cannot be read: {error}.") from None
    new = [
        FoundDomain(each.name, _role_of(each))
        for each in mail_domains(zone, name)
        if each.name not in known and _is_domain(each.name)
    ]
    if len(known) + len(new) > MOST_DOMAINS:
        raise UnreadableZone(
            f"The zone file has {len(new)} further mail domains. A tenant has at most"
            f" {MOST_DOMAINS} domains: paste only the lines of the domains that you need."
        )
    return ZoneDomains(new, unread_lines(zone), _other_notes(zone))


def _other_notes(zone: ZoneText) -> list[ZoneNote]:
    """The prominent notes about lines that were read, with their first lines and names."""
    notes = [note for note in zone.notes if note.is_prominent and note.code != "not-read"]
    shown = (replace(note, lines=note.lines[:_SHOWN], names=note.names[:_SHOWN]) for note in notes)
    return sorted(shown, key=lambda note: note.lines)


def _is_domain(name: str) -> bool:
    try:
        return normalise_registered_domain(name) == name
    except TenantError:
        return False


def _role_of(found: MailDomain) -> str:
    """A secondary domain receives mail. A parked one neither receives nor sends."""
    if found.receives:
        return Domain.Role.SECONDARY.value
    return Domain.Role.SEND_ONLY.value if found.sends else Domain.Role.PARKED.value
