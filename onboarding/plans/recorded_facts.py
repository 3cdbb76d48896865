"""Facts that Gangway stores itself and that a task requires before its confirmation.

A field of the type `fact` names one of them. Its value comes from the profile, the contacts or a
requirements sheet, so that a task cannot be confirmed while that place is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onboarding.models import Contact, SheetRow, TaskRole
from tenants.models import Domain, Platform, Tenant


@dataclass(frozen=True)
class RecordedFact:
    """One fact. `read` returns its text, empty while a part is missing. `missing` states who enters
    it where."""

    read: Callable[[Tenant], str]
    missing: str


def _routing_domains(tenant: Tenant) -> str:
    names = tenant.domains.filter(role=Domain.Role.ROUTING).order_by("name")
    return "\n".join(str(domain) for domain in names)


def _emergency_contacts(tenant: Tenant) -> str:
    found = Contact.objects.filter(tenant=tenant, role=Contact.Role.EMERGENCY)
    return "\n".join(contact.name for contact in found)


def _contacts(tenant: Tenant) -> str:
    """The contacts; empty while one of the roles has none."""
    found = list(Contact.objects.filter(tenant=tenant))
    if {contact.role for contact in found} < set(Contact.Role.values):
        return ""
    return "\n".join(f"{contact.name}: {contact.get_role_display()}" for contact in found)


def _outbound_addresses(tenant: Tenant) -> str:
    """The addresses of the sheet. A provider's shared addresses are not in it."""
    if tenant.platform in (Platform.MICROSOFT_365, Platform.GOOGLE_WORKSPACE):
        return f"The addresses of {tenant.get_platform_display()}"
    rows = SheetRow.objects.filter(
        sheet__task__plan__tenant=tenant, sheet__task__role=TaskRole.GATHERS_OUTBOUND_ADDRESSES
    ).order_by("pk")
    return "\n".join(row.values["address"] for row in rows if row.values.get("address"))


RECORDED_FACTS: Mapping[str, RecordedFact] = {
    "routing-domain": RecordedFact(
        _routing_domains,
        "A consultant adds the domain in the profile, with the role “Routing (onmicrosoft)”.",
    ),
    "emergency-contact": RecordedFact(
        _emergency_contacts,
        "Add the contact on the page People, with the role “Emergency contact”.",
    ),
    "contacts": RecordedFact(
        _contacts, "Add a contact for every role on the page People. A person can have several."
    ),
    "outbound-addresses": RecordedFact(
        _outbound_addresses, "Enter the addresses in the requirements sheet of outbound addresses."
    ),
}
