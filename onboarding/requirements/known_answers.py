"""Answers to fixed questions that Gangway knows from the profile, the people, DNS or other sheets.

One function for each fact; `Question.fact` names it. The same fact answers a question of every
sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checks.models import Discovery
from checks.queries import discoveries_of
from onboarding.models import Contact, RequirementsSheet, SheetRow, TaskRole
from onboarding.requirements.cell_types import clean
from onboarding.requirements.columns import SheetDefinition, ValidationContext
from onboarding.requirements.host_values import RouteHost, answer_of, host_questions
from onboarding.requirements.validation import read_entry
from tenants.models import Domain, Host, Membership, Tenant

_Source = SheetRow.Source
# An answer with more values ends with their number.
_MAX_VALUES = 20


@dataclass(frozen=True)
class KnownAnswer:
    """An answer, and the place from which Gangway has it."""

    text: str
    source: SheetRow.Source


@dataclass
class TenantFacts:
    """The stored facts of a tenant, each read once and only if a question needs it."""

    tenant: Tenant

    @cached_property
    def domains(self) -> list[Domain]:
        return list(self.tenant.domains.all())

    @cached_property
    def delivery_hosts(self) -> list[Host]:
        return list(self.tenant.hosts.filter(purpose=Host.Purpose.DELIVERY))

    @cached_property
    def contacts(self) -> list[Contact]:
        return list(Contact.objects.filter(tenant=self.tenant))

    @cached_property
    def owner(self) -> Membership | None:
        """The member who has been an owner for the longest time."""
        owners = Membership.objects.filter(tenant=self.tenant, role=Membership.Role.OWNER)
        return owners.filter(user__is_active=True).select_related("user").order_by("pk").first()

    @cached_property
    def discoveries(self) -> list[Discovery]:
        return list(discoveries_of(self.tenant).order_by("domain__pk"))

    @cached_property
    def sheets(self) -> dict[str, RequirementsSheet]:
        """The sheets by the role of their task."""
        found = RequirementsSheet.objects.filter(task__plan__tenant=self.tenant)
        return {sheet.task.role: sheet for sheet in found.select_related("task")}

    def contacts_with(self, role: Contact.Role) -> list[Contact]:
        return [contact for contact in self.contacts if contact.role == role]

    def rows_of(self, role: TaskRole) -> list[dict[str, Any]]:
        rows = SheetRow.objects.filter(sheet=self.sheets.get(role)).order_by("position")
        return list(rows.values_list("values", flat=True)[: _MAX_VALUES + 1])


Fact = Callable[[TenantFacts], KnownAnswer | None]


def known_answers(facts: TenantFacts, kind: SheetDefinition) -> dict[str, KnownAnswer]:
    """The known answers by the key of their question, in the spelling of the sheet.

    A fact that the question would refuse is no answer.
    """
    found = {}
    for question in kind.questions:
        known = FACTS[question.fact](facts) if question.fact else None
        if known is None:
            continue
        typed = {"question": question.text, "answer": known.text}
        entry = read_entry(kind, typed, ValidationContext())
        if not entry.problems and entry.values["answer"]:
            found[question.key] = KnownAnswer(entry.values["answer"], known.source)
    return found


def stored_answers(facts: TenantFacts, kind: SheetDefinition) -> dict[str, KnownAnswer]:
    """The known answers that Gangway stores on its own.

    A delivery host is never one of DNS alone: the answer shows the hosts of the profile, and a
    suggested host becomes one of them when a person uses the answer.
    """
    hosts = host_questions(kind)
    return {
        key: known
        for key, known in known_answers(facts, kind).items()
        if key not in hosts or known.source is not _Source.DNS
    }


def _answer(values: Iterable[str], source: SheetRow.Source) -> KnownAnswer | None:
    """The distinct values as one answer; None without any."""
    given = list(dict.fromkeys(filter(None, map(clean, values))))
    if not given:
        return None
    shown = given[:_MAX_VALUES]
    more = [f"{len(given) - _MAX_VALUES} more"] if len(given) > _MAX_VALUES else []
    return KnownAnswer(", ".join([*shown, *more]), source)


def _of_profile(read: Callable[[Tenant], str]) -> Fact:
    return lambda facts: _answer([read(facts.tenant)], _Source.PROFILE)


def _domains(facts: TenantFacts) -> KnownAnswer | None:
    named = (f"{each.name} ({each.get_role_display().lower()})" for each in facts.domains)
    return _answer(named, _Source.PROFILE)


def _delivery_hosts(facts: TenantFacts) -> KnownAnswer | None:
    """The hosts of the profile. Without any, the host that the DNS scan suggests."""
    if facts.delivery_hosts:
        hosts = (RouteHost(host.name, host.port) for host in facts.delivery_hosts)
        # All of them: an answer with some of the hosts would contradict the profile.
        return KnownAnswer(answer_of(hosts), _Source.PROFILE)
    return _of_dns(lambda found: [found.get("delivery_host", "")])(facts)


def _outbound_addresses(facts: TenantFacts) -> KnownAnswer | None:
    """The rows of the sheet of outbound addresses. Without any, the addresses in SPF records."""
    rows = facts.rows_of(TaskRole.GATHERS_OUTBOUND_ADDRESSES)
    if rows:
        return _answer((row.get("address", "") for row in rows), _Source.SHEETS)
    return _of_dns(_spf_addresses)(facts)


def _spf_addresses(found: dict[str, Any]) -> list[str]:
    terms = [str(sender["term"]).removeprefix("+") for sender in found.get("senders", ())]
    return [term.partition(":")[2] for term in terms if term.lower().startswith(("ip4:", "ip6:"))]


# --- People


def _owner(facts: TenantFacts) -> KnownAnswer | None:
    return _answer([facts.owner.user.name] if facts.owner else [], _Source.PEOPLE)


def _owner_address(facts: TenantFacts) -> KnownAnswer | None:
    return _answer([facts.owner.user.email] if facts.owner else [], _Source.PEOPLE)


def _owner_phone(facts: TenantFacts) -> KnownAnswer | None:
    """The number under which the owner is a contact."""
    if facts.owner is None:
        return None
    address = facts.owner.user.email.casefold()
    phones = (c.phone for c in facts.contacts if c.email.casefold() == address)
    return _answer([next(filter(None, phones), "")], _Source.PEOPLE)


def _contact(role: Contact.Role) -> Fact:
    """Each contact with this role: the name, and the ways to reach the person."""

    def answer(facts: TenantFacts) -> KnownAnswer | None:
        people = (
            " · ".join(filter(None, (c.name, c.email, c.phone, c.availability)))
            for c in facts.contacts_with(role)
        )
        return _answer(people, _Source.PEOPLE)

    return answer


def _contact_name(role: Contact.Role) -> Fact:
    return lambda facts: _answer((c.name for c in facts.contacts_with(role)), _Source.PEOPLE)


def _contact_address(role: Contact.Role) -> Fact:
    """The address of the first contact with one: the question accepts a single address."""

    def answer(facts: TenantFacts) -> KnownAnswer | None:
        addresses = filter(None, (c.email for c in facts.contacts_with(role)))
        return _answer([next(addresses, "")], _Source.PEOPLE)

    return answer


# --- DNS and other sheets


def _of_dns(read: Callable[[dict[str, Any]], Iterable[str]]) -> Fact:
    """The values in the newest scan of each domain, without the name of the domain."""

    def answer(facts: TenantFacts) -> KnownAnswer | None:
        return _answer((v for seen in facts.discoveries for v in read(seen.found)), _Source.DNS)

    return answer


def _by_domain(question: str, read: Callable[[dict[str, Any]], str]) -> Fact:
    """The value in the newest scan of each domain, such as “a.test: 3600”.

    `question` is the question of the scan: a domain whose servers did not answer it has no value.
    """

    def answer(facts: TenantFacts) -> KnownAnswer | None:
        values = (
            f"{seen.domain.name}: {value}"
            for seen in facts.discoveries
            if seen.found and question not in seen.found.get("unanswered", ())
            for value in [read(seen.found)]
            if value
        )
        return _answer(values, _Source.DNS)

    return answer


def _onmicrosoft(facts: TenantFacts) -> KnownAnswer | None:
    routing = [each.name for each in facts.domains if each.role == Domain.Role.ROUTING]
    if routing:
        return _answer(routing, _Source.PROFILE)
    return _of_dns(lambda found: [found.get("onmicrosoft", "")])(facts)


def _spf_senders(found: dict[str, Any]) -> str:
    senders = found.get("senders", ())
    return " ".join(sender["term"] for sender in senders) or "none"


def _of_sheets(*roles: TaskRole) -> Fact:
    """The number of rows in other sheets, or “none” if a side signed off all of them empty."""

    def answer(facts: TenantFacts) -> KnownAnswer | None:
        sheets = [facts.sheets[role] for role in roles if role in facts.sheets]
        rows = sum(sheet.row_count for sheet in sheets)
        if not rows:
            is_none = bool(sheets) and all(sheet.signed_sides for sheet in sheets)
            return _answer(["none"], _Source.SHEETS) if is_none else None
        place = "sheet" if len(sheets) == 1 else "sheets"
        text = f"{rows} row{'' if rows == 1 else 's'} in the requirements {place}"
        return _answer([text], _Source.SHEETS)

    return answer


def _products(facts: TenantFacts) -> KnownAnswer | None:
    labels = dict(facts.tenant.plan.template.content["products"])
    return _answer((labels.get(key, key) for key in facts.tenant.products), _Source.PROFILE)


FACTS: dict[str, Fact] = {
    "company": _of_profile(lambda tenant: tenant.name),
    "platform": _of_profile(lambda tenant: str(tenant.get_platform_display())),
    "directory": _of_profile(lambda tenant: str(tenant.get_directory_method_display())),
    "domains": _domains,
    "delivery-hosts": _delivery_hosts,
    "outbound-addresses": _outbound_addresses,
    "owner": _owner,
    "owner-address": _owner_address,
    "owner-phone": _owner_phone,
    "technical-contact": _contact_name(Contact.Role.TECHNICAL),
    "technical-contact-address": _contact_address(Contact.Role.TECHNICAL),
    "emergency-contact": _contact(Contact.Role.EMERGENCY),
    "signatory": _contact(Contact.Role.SIGNATORY),
    "account-code": _of_profile(lambda tenant: tenant.account_code),
    "region": _of_profile(lambda tenant: tenant.region_values.name),
    "sign-in": _of_profile(lambda tenant: str(tenant.get_authentication_display())),
    "products": _products,
    "technical-contact-all": _contact(Contact.Role.TECHNICAL),
    "dns-owner": _contact(Contact.Role.DNS),
    "firewall-owner": _contact(Contact.Role.FIREWALL),
    "directory-administrator": _contact(Contact.Role.DIRECTORY),
    "onmicrosoft": _onmicrosoft,
    "mx": _by_domain("mx", lambda found: " ".join(found.get("mx", ())) or "none"),
    "mx-ttl": _by_domain("mx", lambda found: str(found.get("mx_ttl") or "")),
    "spf": _by_domain("spf", _spf_senders),
    "dkim-selectors": _by_domain("dkim", lambda found: " ".join(found.get("dkim_selectors", ()))),
    "dmarc": _by_domain("dmarc", lambda found: found.get("dmarc") or "none"),
    "mta-sts": _by_domain("mta_sts", lambda found: "yes" if found.get("mta_sts") else "no"),
    "forwards": _of_sheets(TaskRole.GATHERS_FORWARDING),
    "spoofing-exceptions": _of_sheets(TaskRole.GATHERS_SPOOFING_EXCEPTIONS),
    "tls-partners": _of_sheets(TaskRole.GATHERS_TLS_PARTNERS),
    "sender-lists": _of_sheets(TaskRole.GATHERS_GLOBAL_SENDERS, TaskRole.GATHERS_MANAGED_SENDERS),
}
