"""The values of one tenant that instructions need: hosts, ranges, addresses, codes and dates.

`PLACEHOLDERS` names them. A value that is unknown has no items and says who can enter it where: no
page shows a guess.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from django.conf import settings

from onboarding.models import RequirementsSheet, SheetRow, TaskRole
from onboarding.plans.evaluation import PlanContext
from tenants.models import Domain, Host, Platform, Tenant
from tenants.proposals import ProposalKind, proposal_in_use, proposed_label, values_in_use
from tenants.region_values import LABELS
from tenants.regions import ENTERED, Region, load_region_file

# Exchange Online accepts networks of 24 to 32 bits in its lists (Set-HostedConnectionFilterPolicy).
SMALLEST_PREFIX = 24
# A console has one input for each of a few hosts, and one input for a list.
LONGEST_LIST = 4
_SENDING = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST, Domain.Role.SEND_ONLY)
_RECEIVING = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST)
_EXCHANGE_ONLINE = (Platform.MICROSOFT_365, Platform.HYBRID)

PLACEHOLDERS: Mapping[str, str] = {
    "account_code": "account code",
    "region": "region",
    "sign_in_page": "sign-in page",
    "primary_domain": "primary domain",
    "domains": "domains",
    "sending_domains": "sending domains",
    "receiving_domains": "receiving domains",
    "routing_domain": "onmicrosoft domain",
    "inbound_hosts": "MX hosts",
    "smart_hosts": "outbound smart hosts",
    "on_premises_smart_hosts": "outbound smart hosts for servers on-premises",
    "spf_include": "SPF include",
    "delivery_ranges": "delivery ranges",
    "delivery_ranges_split": "delivery ranges, in networks of 24 bits or more",
    "confirmed_ranges": "complete delivery ranges",
    "confirmed_ranges_split": "complete delivery ranges, in networks of 24 bits or more",
    "certificate_subject": "certificate subject",
    "journal_address": "journal address",
    "journal_domain": "journal domain",
    "journal_hosts": "journal hosts",
    "ownership_codes": "ownership codes",
    "ownership_target": "target of the CNAME",
    "dkim_selectors": "DKIM selectors",
    "mx_ttl": "TTL of the MX records, in seconds",
    "delivery_hosts": "delivery hosts",
    "directory_hosts": "directory hosts",
    "outbound_addresses": "outbound addresses",
    "time_zone": "time zone of the region",
    "consultant": "consultant",
}

# Known for every tenant: Gangway's settings, the region and facts of all regions.
ALWAYS_KNOWN = frozenset({"region", "mx_ttl", "ownership_target"})

_NO_PRIMARY = "The primary domain is missing. A consultant adds it in the profile."
_NO_DOMAIN = "No domain has this role. A consultant adds it in the profile."
_NO_RANGES = (
    "A consultant copies the complete list from Mimecast's page Data Centers and URLs into the"
    " profile."
)
# The person who can enter a value that is unknown, and the place.
_WHO_ENTERS: Mapping[str, str] = {
    "account_code": "You enter the account code in the task “Account Creation”.",
    "primary_domain": _NO_PRIMARY,
    "domains": _NO_DOMAIN,
    "sending_domains": _NO_DOMAIN,
    "receiving_domains": _NO_DOMAIN,
    "routing_domain": "A consultant adds the domain in the profile, with the role “Routing"
    " (onmicrosoft)”.",
    "confirmed_ranges": _NO_RANGES,
    "confirmed_ranges_split": _NO_RANGES,
    "journal_address": _NO_PRIMARY,
    "journal_domain": _NO_PRIMARY,
    "ownership_codes": "The Administration Console shows the code of each domain. You or a"
    " consultant enters it on this task or in the profile.",
    "dkim_selectors": "The Administration Console shows the selector of each domain. You or a"
    " consultant enters it on this task or in the profile.",
    "delivery_hosts": "You or a consultant enters the delivery host on this task or in the"
    " profile.",
    "directory_hosts": "A consultant adds the directory host in the profile.",
    "outbound_addresses": "You or a consultant enters the addresses in the requirements sheet of"
    " outbound addresses.",
    "consultant": "An administrator or a consultant chooses the consultant in the profile.",
}


@dataclass(frozen=True)
class TenantValue:
    """One value with its provenance. `items` is empty while it is unknown.

    `missing` is then the sentence that says who can enter it where. `confidence` is high, medium,
    low, entered (by a consultant), or empty for a value of the tenant's own profile.
    """

    name: str
    items: tuple[str, ...] = ()
    confidence: str = ""
    as_of: str = ""
    source: str = ""
    missing: str = ""
    # A sentence for each item that a client proposed and no consultant has confirmed.
    proposed: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return PLACEHOLDERS[self.name]

    @property
    def is_known(self) -> bool:
        return bool(self.items)

    @property
    def text(self) -> str:
        return ", ".join(self.items)

    @property
    def blocks(self) -> list[str]:
        """The items as texts to copy: each alone, or a long list as one text with one per line."""
        if len(self.items) > LONGEST_LIST:
            return ["\n".join(self.items)]
        return list(self.items)

    @property
    def provenance(self) -> str:
        """The confidence, the date and the source in one line; empty for a value of the profile."""
        if self.confidence == ENTERED:
            return "entered by a consultant"
        if not self.confidence:
            return ""
        date = f", {self.as_of}" if self.as_of else ""
        return f"{self.confidence} confidence{date}"


@dataclass
class TenantValues:
    """The values of one tenant, each read when a page needs it."""

    plan_context: PlanContext
    region: Region
    _known: dict[str, TenantValue] = field(default_factory=dict)

    def get(self, name: str) -> TenantValue:
        """The value of a placeholder. Raises KeyError for a name outside `PLACEHOLDERS`."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> TenantValue:
        if name in _REGION_FIELDS:
            return self._of_region(name, _REGION_FIELDS[name])
        return _READERS[name](self, name)

    @property
    def tenant(self) -> Tenant:
        return self.plan_context.tenant

    @cached_property
    def primary(self) -> str:
        """The name of the primary domain; empty if the tenant has none."""
        roles = {domain.role: domain.name for domain in self.plan_context.domains}
        return roles.get(Domain.Role.PRIMARY, "")

    def _known_or_missing(self, name: str, items: Iterable[str]) -> TenantValue:
        return TenantValue(name, tuple(items), missing=who_enters(name))

    def _of_region(self, name: str, column: str) -> TenantValue:
        value = getattr(self.region, column)
        items = (value,) if isinstance(value, str) else tuple(value)
        fact = self.region.facts.get(column)
        return TenantValue(
            name,
            tuple(item for item in items if item),
            confidence=fact.confidence if fact else "",
            as_of=fact.as_of if fact else "",
            source=fact.source if fact else "",
            missing=who_enters(name),
        )

    def _of_domains(self, name: str, roles: Sequence[str]) -> TenantValue:
        names = [domain.name for domain in self.plan_context.domains if domain.role in roles]
        return self._known_or_missing(name, names)

    def _of_hosts(self, name: str, purpose: str) -> TenantValue:
        hosts = [host for host in self.plan_context.hosts if host.purpose == purpose]
        value = self._known_or_missing(name, map(str, hosts))
        labels = [f"{host}: {proposed_label(host.proposer)}" for host in hosts if host.is_proposed]
        return replace(value, proposed=tuple(labels))

    def account_code(self, name: str) -> TenantValue:
        code = self.tenant.account_code
        return self._known_or_missing(name, [code] if code else [])

    def region_name(self, name: str) -> TenantValue:
        return TenantValue(name, (self.region.name,))

    def primary_domain(self, name: str) -> TenantValue:
        return self._of_domains(name, (Domain.Role.PRIMARY,))

    def all_domains(self, name: str) -> TenantValue:
        return self._of_domains(name, Domain.Role.values)

    def sending_domains(self, name: str) -> TenantValue:
        return self._of_domains(name, _SENDING)

    def receiving_domains(self, name: str) -> TenantValue:
        return self._of_domains(name, _RECEIVING)

    def routing_domain(self, name: str) -> TenantValue:
        return self._of_domains(name, (Domain.Role.ROUTING,))

    def smart_hosts(self, name: str) -> TenantValue:
        """The smart hosts for the tenant's platform; Exchange Online has a pair of its own."""
        own = self._of_region(name, "exchange_online_smarthosts")
        if self.tenant.platform in _EXCHANGE_ONLINE and own.is_known:
            return own
        return self._of_region(name, "outbound_smarthosts")

    def on_premises_smart_hosts(self, name: str) -> TenantValue:
        """The smart hosts of the region for a server that is not Exchange Online."""
        return self._of_region(name, "outbound_smarthosts")

    def split_ranges(self, name: str) -> TenantValue:
        return _split_all(self._of_region(name, "delivery_ip4"))

    def confirmed_ranges(self, name: str) -> TenantValue:
        """The ranges that a consultant entered. A published sample may lack some, and loses mail.

        Only these may restrict the sources of mail.
        """
        value = self._of_region(name, "delivery_ip4")
        return value if value.confidence == ENTERED else self._known_or_missing(name, [])

    def confirmed_ranges_split(self, name: str) -> TenantValue:
        return _split_all(self.confirmed_ranges(name))

    def journal_domain(self, name: str) -> TenantValue:
        return self._known_or_missing(name, [f"journal.{self.primary}"] if self.primary else [])

    def journal_address(self, name: str) -> TenantValue:
        address = f"journaling@journal.{self.primary}"
        return self._known_or_missing(name, [address] if self.primary else [])

    def ownership_codes(self, name: str) -> TenantValue:
        codes = [
            (domain.name, values_in_use(domain, ProposalKind.OWNERSHIP)["ownership_token"])
            for domain in self.plan_context.domains
        ]
        value = self._known_or_missing(
            name, [f"{domain}: {code}" for domain, code in codes if code]
        )
        return replace(value, proposed=self._proposed(ProposalKind.OWNERSHIP))

    def ownership_target(self, name: str) -> TenantValue:
        return TenantValue(name, (load_region_file().global_facts.ownership_cname_target,))

    def _proposed(self, kind: ProposalKind) -> tuple[str, ...]:
        found = [
            (domain.name, proposal_in_use(domain, kind)) for domain in self.plan_context.domains
        ]
        return tuple(f"{name}: {each.label}" for name, each in found if each is not None)

    def dkim_selectors(self, name: str) -> TenantValue:
        selectors = [
            f"{selector.partition('=')[0]}._domainkey.{domain.name}"
            for domain in self.plan_context.domains
            for selector in values_in_use(domain, ProposalKind.DKIM)["dkim_selectors"].split()
        ]
        value = self._known_or_missing(name, selectors)
        return replace(value, proposed=self._proposed(ProposalKind.DKIM))

    def mx_ttl(self, name: str) -> TenantValue:
        return TenantValue(name, (str(settings.CHECKS_TTL_THRESHOLD_SECONDS),))

    def delivery_hosts(self, name: str) -> TenantValue:
        return self._of_hosts(name, Host.Purpose.DELIVERY)

    def directory_hosts(self, name: str) -> TenantValue:
        return self._of_hosts(name, Host.Purpose.DIRECTORY)

    def outbound_addresses(self, name: str) -> TenantValue:
        """The rows of the requirements sheet, in its order."""
        rows = SheetRow.objects.filter(
            sheet__in=RequirementsSheet.objects.filter(
                task__plan__tenant=self.tenant, task__role=TaskRole.GATHERS_OUTBOUND_ADDRESSES
            )
        ).order_by("pk")
        values = [row.values.get("address", "") for row in rows]
        return self._known_or_missing(name, [value for value in values if value])

    def consultant(self, name: str) -> TenantValue:
        person = self.tenant.consultant
        return self._known_or_missing(name, [f"{person.name}, {person.email}"] if person else [])


def who_enters(name: str) -> str:
    """The sentence for an unknown value: the person who can enter it, and the place.

    It is empty for a value that is always known.
    """
    if name in _REGION_LABELS:
        return (
            f"No source has the {_REGION_LABELS[name]} of this region. A consultant copies"
            " the value from the Administration Console into the profile."
        )
    return _WHO_ENTERS.get(name, "")


def _split_all(value: TenantValue) -> TenantValue:
    return replace(value, items=tuple(part for item in value.items for part in _split(item)))


def _split(network: str) -> list[str]:
    """The network in parts that Exchange Online accepts."""
    whole = ipaddress.IPv4Network(network)
    if whole.prefixlen >= SMALLEST_PREFIX:
        return [network]
    return [str(part) for part in whole.subnets(new_prefix=SMALLEST_PREFIX)]


_REGION_FIELDS: Mapping[str, str] = {
    "sign_in_page": "login_url",
    "inbound_hosts": "mx",
    "spf_include": "spf_include",
    "delivery_ranges": "delivery_ip4",
    "certificate_subject": "certificate_subject",
    "journal_hosts": "journal_hosts",
    "time_zone": "timezone",
}
_REGION_LABELS: Mapping[str, str] = {
    **{name: LABELS[column] for name, column in _REGION_FIELDS.items()},
    "delivery_ranges_split": LABELS["delivery_ip4"],
    "smart_hosts": LABELS["outbound_smarthosts"],
    "on_premises_smart_hosts": LABELS["outbound_smarthosts"],
}
_READERS: Mapping[str, Callable[[TenantValues, str], TenantValue]] = {
    "account_code": TenantValues.account_code,
    "region": TenantValues.region_name,
    "primary_domain": TenantValues.primary_domain,
    "domains": TenantValues.all_domains,
    "sending_domains": TenantValues.sending_domains,
    "receiving_domains": TenantValues.receiving_domains,
    "routing_domain": TenantValues.routing_domain,
    "smart_hosts": TenantValues.smart_hosts,
    "on_premises_smart_hosts": TenantValues.on_premises_smart_hosts,
    "delivery_ranges_split": TenantValues.split_ranges,
    "confirmed_ranges": TenantValues.confirmed_ranges,
    "confirmed_ranges_split": TenantValues.confirmed_ranges_split,
    "journal_domain": TenantValues.journal_domain,
    "journal_address": TenantValues.journal_address,
    "ownership_codes": TenantValues.ownership_codes,
    "ownership_target": TenantValues.ownership_target,
    "dkim_selectors": TenantValues.dkim_selectors,
    "mx_ttl": TenantValues.mx_ttl,
    "delivery_hosts": TenantValues.delivery_hosts,
    "directory_hosts": TenantValues.directory_hosts,
    "outbound_addresses": TenantValues.outbound_addresses,
    "consultant": TenantValues.consultant,
}
