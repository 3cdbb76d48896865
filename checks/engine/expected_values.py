"""The values that checks expect: a tenant's region, ownership code and DKIM selectors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

# The parent domains of Mimecast's grids. A host elsewhere with the name in it is a look-alike.
MIMECAST_DOMAINS = (
    "mimecast.com",
    "mimecast.co.za",
    "mimecast-offshore.com",
    "mimecast-pscom-us.com",
)


@dataclass(frozen=True)
class RegionFacts:
    """The region data that checks need. An empty value is a gap: the verdict is UNKNOWN.

    `other_mx` are the MX hosts of the other regions, each with its region's id, so that a finding
    can name the wrong grid. `delivery_networks` are the ranges from which Mimecast delivers to the
    client, with the confidence and the date of their source: no list of them is complete. Those of
    single ranges that differ are in `delivery_exceptions`, as network, confidence and date.
    `other_networks` and `other_smart_hosts` are those of the other regions, with each region's id.
    """

    id: str
    name: str = ""
    mx: tuple[str, ...] = ()
    spf_include: str = ""
    other_mx: tuple[tuple[str, str], ...] = ()
    global_spf_include: str = "_netblocks.mimecast.com"
    delivery_networks: tuple[str, ...] = ()
    delivery_confidence: str = ""
    delivery_as_of: str = ""
    delivery_exceptions: tuple[tuple[str, str, str], ...] = ()
    other_networks: tuple[tuple[str, str], ...] = ()
    other_smart_hosts: tuple[tuple[str, str], ...] = ()

    @property
    def proving_delivery_networks(self) -> tuple[str, ...]:
        """The delivery ranges whose own confidence is not low."""
        return tuple(n for n in self.delivery_networks if self.delivery_basis(n)[0] != "low")

    def delivery_basis(self, network: str) -> tuple[str, str]:
        """Return the confidence and the date of one of the delivery ranges."""
        own = {each: (confidence, as_of) for each, confidence, as_of in self.delivery_exceptions}
        return own.get(network, (self.delivery_confidence, self.delivery_as_of))

    @property
    def parent_domains(self) -> tuple[str, ...]:
        """The domains below which Mimecast names its hosts, with that of this region's MX hosts."""
        own = {host.partition(".")[2].lower() for host in self.mx if host.count(".") > 1}
        return (*MIMECAST_DOMAINS, *sorted(own - set(MIMECAST_DOMAINS)))

    @property
    def global_includes(self) -> tuple[str, ...]:
        """The includes that cover many regions: Mimecast's, and the parent of this region's."""
        parent_zone = self.spf_include.lower().partition(".")[2]
        names = [self.global_spf_include.lower()]
        if parent_zone.startswith("_netblocks.") and parent_zone not in names:
            names.append(parent_zone)
        return tuple(names)


@dataclass(frozen=True)
class OwnershipCode:
    """The code Mimecast issued for the domain; `label` is the host of the CNAME variant."""

    token: str
    label: str = ""
    cname_target: str = "validate-domain.mimecast.com"


# RFC 6376 section 3.1: labels with dots between them; underscores are seen in the field.
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62})(\.[a-z0-9]([a-z0-9_-]{0,62}))*")


@dataclass(frozen=True)
class DkimSelector:
    """A recorded DKIM selector. `key` is the public key that it must publish, empty if unknown."""

    name: str
    key: str = ""

    @classmethod
    def read(cls, text: str) -> DkimSelector:
        """Parse `mimecast20261101`, or `mimecast20261101=MIIB…` with the key."""
        # People paste the whole record name, so everything from `._domainkey` on is cut off.
        name, _, key = text.partition("=")
        return cls(name.lower().partition("._domainkey")[0], key)

    @property
    def is_well_formed(self) -> bool:
        # 180 leaves room for `._domainkey.` and a domain in the 253 characters of a name.
        return len(self.name) <= 180 and _SELECTOR.fullmatch(self.name) is not None

    def __str__(self) -> str:
        return f"{self.name}={self.key}" if self.key else self.name


class MailPlatform(StrEnum):
    """The platform of a client's mailboxes. The values are those of the tenant's profile."""

    MICROSOFT_365 = "microsoft_365"
    GOOGLE_WORKSPACE = "google_workspace"
    ON_PREMISES = "on_premises"
    HYBRID = "hybrid"
    OTHER = "other"


@dataclass(frozen=True)
class ReceivingSystem:
    """The client's mail system: the platform of its mailboxes, and the hosts of its routes."""

    platform: MailPlatform = MailPlatform.OTHER
    delivery_hosts: tuple[str, ...] = ()
