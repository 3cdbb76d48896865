"""The values of one tenant that instructions need: hosts, ranges, addresses, codes and dates.

`PLACEHOLDERS` names them. A value that is unknown has no items and says who can enter it where: no
page shows a guess.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings

from onboarding.models import RequirementsSheet, SheetRow, TaskRole
from onboarding.plans.evaluation import PlanContext
from tenants.models import Domain, Host, Platform, Tenant
from tenants.proposals import ProposalKind, proposal_in_use, proposed_label, values_in_use
from tenants.region_values import LABELS
from tenants.regions import ENTERED, Region

# Exchange Online accepts networks of 24 to 32 bits in its lists (Set-HostedConnectionFilterPolicy).
SMALLEST_PREFIX = 24
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
    "spf_include": "SPF include",
    "delivery_ranges": "delivery ranges",
    "delivery_ranges_split": "delivery ranges, in networks of 24 bits or more",
    "certificate_subject": "certificate subject",
    "journal_address": "journal address",
    "journal_domain": "journal domain",
    "journal_hosts": "journal hosts",
    "ownership_codes": "ownership codes",
    "dkim_selectors": "DKIM selectors",
    "mx_ttl": "TTL of the MX records, in seconds",
    "delivery_hosts": "delivery hosts",
    "directory_hosts": "directory hosts",
    "outbound_addresses": "outbound addresses",
    "time_zone": "time zone of the region",
    "consultant": "consultant",
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
            missing=f"The {LABELS[column]} of this region are not published. A consultant enters"
            " them in the profile.",
        )

    def _of_domains(self, name: str, roles: Sequence[str]) -> TenantValue:
        names = [domain.name for domain in self.plan_context.domains if domain.role in roles]
        return TenantValue(
            name, tuple(names), missing="No domain has this role. Add it in the profile."
        )

    def _of_hosts(self, name: str, purpose: str) -> TenantValue:
        hosts = [host for host in self.plan_context.hosts if host.purpose == purpose]
        return TenantValue(
            name,
            tuple(map(str, hosts)),
            missing="Add the host in the profile.",
            proposed=tuple(
                f"{host}: {proposed_label(host.proposer)}" for host in hosts if host.is_proposed
            ),
        )

    def account_code(self, name: str) -> TenantValue:
        code = self.tenant.account_code
        return TenantValue(
            name,
            (code,) if code else (),
            missing="Enter the account code in the task “Account Creation”.",
        )

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

    def split_ranges(self, name: str) -> TenantValue:
        whole = self._of_region(name, "delivery_ip4")
        return TenantValue(
            name,
            tuple(part for item in whole.items for part in _split(item)),
            confidence=whole.confidence,
            as_of=whole.as_of,
            source=whole.source,
            missing=whole.missing,
        )

    def journal_domain(self, name: str) -> TenantValue:
        items = (f"journal.{self.primary}",) if self.primary else ()
        return TenantValue(name, items, missing="Add the primary domain in the profile.")

    def journal_address(self, name: str) -> TenantValue:
        items = (f"journaling@journal.{self.primary}",) if self.primary else ()
        return TenantValue(name, items, missing="Add the primary domain in the profile.")

    def ownership_codes(self, name: str) -> TenantValue:
        codes = [
            (domain.name, values_in_use(domain, ProposalKind.OWNERSHIP)["ownership_token"])
            for domain in self.plan_context.domains
        ]
        return TenantValue(
            name,
            tuple(f"{domain}: {code}" for domain, code in codes if code),
            missing="Enter the code of each domain from the Administration Console.",
            proposed=self._proposed(ProposalKind.OWNERSHIP),
        )

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
        return TenantValue(
            name,
            tuple(selectors),
            missing="Enter the selector of each domain from the Administration Console.",
            proposed=self._proposed(ProposalKind.DKIM),
        )

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
        return TenantValue(
            name,
            tuple(value for value in values if value),
            missing="Enter the addresses in the requirements sheet of outbound addresses.",
        )

    def consultant(self, name: str) -> TenantValue:
        person = self.tenant.consultant
        return TenantValue(
            name,
            (f"{person.name}, {person.email}",) if person is not None else (),
            missing="Choose the consultant in the profile.",
        )


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
_READERS: Mapping[str, Callable[[TenantValues, str], TenantValue]] = {
    "account_code": TenantValues.account_code,
    "region": TenantValues.region_name,
    "primary_domain": TenantValues.primary_domain,
    "domains": TenantValues.all_domains,
    "sending_domains": TenantValues.sending_domains,
    "receiving_domains": TenantValues.receiving_domains,
    "routing_domain": TenantValues.routing_domain,
    "smart_hosts": TenantValues.smart_hosts,
    "delivery_ranges_split": TenantValues.split_ranges,
    "journal_domain": TenantValues.journal_domain,
    "journal_address": TenantValues.journal_address,
    "ownership_codes": TenantValues.ownership_codes,
    "dkim_selectors": TenantValues.dkim_selectors,
    "mx_ttl": TenantValues.mx_ttl,
    "delivery_hosts": TenantValues.delivery_hosts,
    "directory_hosts": TenantValues.directory_hosts,
    "outbound_addresses": TenantValues.outbound_addresses,
    "consultant": TenantValues.consultant,
}
