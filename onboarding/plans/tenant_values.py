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
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.value_origins import (
    UNKNOWN_PERSON,
    ValueOrigin,
    ValueOrigins,
    entered_by,
    value_origins_of,
)
from tenants.models import Domain, Host, Platform, Tenant
from tenants.proposals import ProposalKind, proposal_in_use, proposed_label, values_in_use
from tenants.region_values import LABELS
from tenants.regions import ENTERED, Provenance, Region, load_region_file

# Exchange Online accepts networks of 24 to 32 bits in its lists (Set-HostedConnectionFilterPolicy).
SMALLEST_PREFIX = 24
# The most networks that a page shows. The longest list of a region has fewer than a tenth of them.
MOST_PARTS = 1024
# A console has one input for each of a few hosts, and one input for a list.
LONGEST_LIST = 4
_SENDING = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST, Domain.Role.SEND_ONLY)
_RECEIVING = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST)
_EXCHANGE_ONLINE = (Platform.MICROSOFT_365, Platform.HYBRID)

PLACEHOLDERS: Mapping[str, str] = {
    "account_code": "account code",
    "region": "region",
    "sign_in_page": "sign-in page",
    "exchange_online_powershell": "Exchange Online PowerShell, before the first command",
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
ALWAYS_KNOWN = frozenset(
    {"region", "mx_ttl", "ownership_target", "sign_in_page", "exchange_online_powershell"}
)

# The published rules behind values that no file and no person states.
JOURNAL_RULE = Provenance(
    confidence="high",
    source="Mimecast: Configuring Microsoft 365 Journaling",
    as_of="2026-11-28",
)
# The global page directs each account to its region.
SIGN_IN_RULE = Provenance(
    confidence="medium",
    source="A reseller's copy of Mimecast Data Centers and URLs",
    as_of="2026-11-28",
)
POWERSHELL = "Install-Module -Name ExchangeOnlineManagement\nConnect-ExchangeOnline"
POWERSHELL_RULE = Provenance(
    confidence="high",
    source="Microsoft: Connect to Exchange Online PowerShell",
    as_of="2026-11-29",
)
VALIDATION_RULE = Provenance(
    confidence="high", source="Mimecast: Validating Domains", as_of="2026-11-28"
)

_NO_PRIMARY = "The primary domain is missing. A consultant adds it in the profile."
_NO_DOMAIN = "No domain has this role. A consultant adds it in the profile."
_NO_RANGES = (
    "A consultant copies the complete list from Mimecast's page Data Centers and URLs into the"
    " profile."
)
_TOO_MANY_PARTS = (
    f"The ranges have more than {MOST_PARTS:,} networks of {SMALLEST_PREFIX} bits. A consultant"
    " compares them with Mimecast's page Data Centers and URLs in the profile."
)
# The person who can enter a value that is unknown, and the place.
_WHO_ENTERS: Mapping[str, str] = {
    "account_code": "A consultant enters the account code in the task “Account Creation”.",
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

    `missing` is then the sentence that says who can enter it where. `confidence` is high, medium
    or low for a published value, and otherwise entered, proposed or set (by the operator).
    `entered` states the person and the day, `source` the page of a published value or of the rule
    behind a derived one, and `as_of` its date.
    """

    name: str
    items: tuple[str, ...] = ()
    confidence: str = ""
    as_of: str = ""
    source: str = ""
    entered: str = ""
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
        """The person, the confidence, the dates and the source in one line."""
        if not self.source:
            return self.entered
        published = f"{self.confidence} confidence, {self.as_of}, {self.source}"
        return f"{self.entered}; {published}" if self.entered else published


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
    def entries(self) -> ValueOrigins:
        """Who entered the values of the profile, and when. One query, for the first such value."""
        return value_origins_of(self.tenant)

    def _entered(self, value: TenantValue, entries: Iterable[ValueOrigin]) -> TenantValue:
        """The value with the person and the day of its entries; unchanged while it is unknown."""
        if not value.is_known:
            return value
        sentence = entered_by(entries, self.tenant.time_zone)
        return replace(value, confidence=value.confidence or ENTERED, entered=sentence)

    def _of_field(self, name: str, column: str, items: Iterable[str]) -> TenantValue:
        """A value of a column of the tenant."""
        value = self._known_or_missing(name, items)
        return self._entered(
            value, [self.entries.of_field(column, value.text)] if value.items else []
        )

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
        # One date for the whole list: its oldest.
        fact = fact.of_all() if fact else None
        found = TenantValue(
            name,
            tuple(item for item in items if item),
            confidence=fact.confidence if fact else "",
            as_of=fact.as_of if fact else "",
            source=fact.source if fact else "",
            missing=who_enters(name),
        )
        if found.confidence != ENTERED:
            return found
        return self._entered(found, [self.entries.of_field("region_overrides")])

    def _of_domains(self, name: str, roles: Sequence[str]) -> TenantValue:
        found = [domain for domain in self.plan_context.domains if domain.role in roles]
        value = self._known_or_missing(name, [domain.name for domain in found])
        return self._entered(value, self._entries_of(found))

    def _entries_of(self, domains: Sequence[Domain]) -> list[ValueOrigin]:
        return [self.entries.of_subject(str(domain)) for domain in domains]

    def _of_hosts(self, name: str, purpose: str) -> TenantValue:
        hosts = [host for host in self.plan_context.hosts if host.purpose == purpose]
        value = self._known_or_missing(name, map(str, hosts))
        labels = [f"{host}: {proposed_label(host.proposer)}" for host in hosts if host.is_proposed]
        value = self._entered(value, [self._entry_of_host(host) for host in hosts])
        return replace(value, proposed=tuple(labels))

    def _entry_of_host(self, host: Host) -> ValueOrigin:
        if host.is_proposed and host.proposed_at is not None:
            return ValueOrigin(host.proposer, host.proposed_at)
        return self.entries.of_subject(str(host))

    def account_code(self, name: str) -> TenantValue:
        code = self.tenant.account_code
        return self._of_field(name, "account_code", [code] if code else [])

    def region_name(self, name: str) -> TenantValue:
        return self._of_field(name, "region", [self.region.name])

    def sign_in_page(self, name: str) -> TenantValue:
        """The page of the region; the global page where no source has one."""
        own = self._of_region(name, "login_url")
        if own.is_known:
            return own
        return _by_rule(
            TenantValue(name, (load_region_file().global_facts.login_url,)), SIGN_IN_RULE
        )

    def exchange_online_powershell(self, name: str) -> TenantValue:
        """The two commands that open a session. They ask for the administrator's account."""
        return _by_rule(TenantValue(name, (POWERSHELL,)), POWERSHELL_RULE)

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
        return self._of_journal_rule(name, f"journal.{self.primary}")

    def journal_address(self, name: str) -> TenantValue:
        return self._of_journal_rule(name, f"journaling@journal.{self.primary}")

    def _of_journal_rule(self, name: str, text: str) -> TenantValue:
        """A value that follows from the primary domain by Mimecast's rule for journaling."""
        primary = [d for d in self.plan_context.domains if d.role == Domain.Role.PRIMARY]
        value = self._known_or_missing(name, [text] if self.primary else [])
        value = self._entered(value, self._entries_of(primary))
        return _by_rule(value, JOURNAL_RULE) if value.is_known else value

    def ownership_codes(self, name: str) -> TenantValue:
        codes = [
            (domain.name, values_in_use(domain, ProposalKind.OWNERSHIP)["ownership_token"])
            for domain in self.plan_context.domains
        ]
        value = self._known_or_missing(
            name, [f"{domain}: {code}" for domain, code in codes if code]
        )
        return self._of_console(value, ProposalKind.OWNERSHIP)

    def ownership_target(self, name: str) -> TenantValue:
        target = load_region_file().global_facts.ownership_cname_target
        return _by_rule(TenantValue(name, (target,)), VALIDATION_RULE)

    def _of_console(self, value: TenantValue, kind: ProposalKind) -> TenantValue:
        """A value that clients may propose, with the entries of the domains that have one."""
        domains = [
            domain
            for domain in self.plan_context.domains
            if any(values_in_use(domain, kind).values())
        ]
        value = self._entered(value, [self._entry_of_value(each, kind) for each in domains])
        return replace(value, proposed=self._proposed(kind))

    def _entry_of_value(self, domain: Domain, kind: ProposalKind) -> ValueOrigin:
        proposal = proposal_in_use(domain, kind)
        if proposal is not None and proposal.at is not None:
            return ValueOrigin(proposal.by, proposal.at)
        return self.entries.of_subject(str(domain))

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
        return self._of_console(self._known_or_missing(name, selectors), ProposalKind.DKIM)

    def mx_ttl(self, name: str) -> TenantValue:
        """The threshold of this installation. Mimecast publishes no number."""
        seconds = str(settings.CHECKS_TTL_THRESHOLD_SECONDS)
        today = f"{self.plan_context.now:%-d %b %Y}"
        sentence = f"set by the operator of this installation, as of {today}"
        return TenantValue(name, (seconds,), confidence="set", entered=sentence)

    def delivery_hosts(self, name: str) -> TenantValue:
        return self._of_hosts(name, Host.Purpose.DELIVERY)

    def directory_hosts(self, name: str) -> TenantValue:
        return self._of_hosts(name, Host.Purpose.DIRECTORY)

    def outbound_addresses(self, name: str) -> TenantValue:
        """The rows of the requirements sheet, in its order."""
        found = SheetRow.objects.filter(
            sheet__in=RequirementsSheet.objects.filter(
                task__plan__tenant=self.tenant, task__role=TaskRole.GATHERS_OUTBOUND_ADDRESSES
            )
        ).order_by("pk")
        rows = [row for row in found.select_related("changed_by") if row.values.get("address")]
        value = self._known_or_missing(name, [row.values["address"] for row in rows])
        return self._entered(
            value,
            [
                ValueOrigin(
                    row.changed_by.name if row.changed_by else UNKNOWN_PERSON, row.changed_at
                )
                for row in rows
            ],
        )

    def consultant(self, name: str) -> TenantValue:
        person = self.tenant.consultant
        named = [f"{person.name}, {person.email}"] if person else []
        return self._of_field(name, "consultant", named)


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


def _by_rule(value: TenantValue, rule: Provenance) -> TenantValue:
    """The value with the confidence, the date and the source of a published rule."""
    return replace(value, confidence=rule.confidence, as_of=rule.as_of, source=rule.source)


def _split_all(value: TenantValue) -> TenantValue:
    """The value in parts that Exchange Online accepts; unknown where there are too many for it."""
    networks = [ipaddress.IPv4Network(item) for item in value.items]
    parts = sum(2 ** max(0, SMALLEST_PREFIX - network.prefixlen) for network in networks)
    if parts > MOST_PARTS:
        return replace(value, items=(), missing=_TOO_MANY_PARTS)
    return replace(value, items=tuple(part for item in value.items for part in _split(item)))


def _split(network: str) -> list[str]:
    """The network in parts that Exchange Online accepts."""
    whole = ipaddress.IPv4Network(network)
    if whole.prefixlen >= SMALLEST_PREFIX:
        return [network]
    return [str(part) for part in whole.subnets(new_prefix=SMALLEST_PREFIX)]


_REGION_FIELDS: Mapping[str, str] = {
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
    "sign_in_page": TenantValues.sign_in_page,
    "exchange_online_powershell": TenantValues.exchange_online_powershell,
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
