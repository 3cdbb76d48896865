"""The delivery hosts of the profile on the page of a sheet: proposals and differences.

Only a signed sheet differs: its rows stay as they were signed. A sheet without a sign-off can lack
a host only if a domain has the same host with another port.
"""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetRow
from onboarding.requirements.host_sheets import MAIL_ROLES
from onboarding.requirements.host_values import RouteHost, hosts_in, is_route_sheet, shows_hosts
from onboarding.requirements.services import DuplicateRow, add_row, validation_context_of
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants.models import Host, User


@dataclass(frozen=True)
class HostDifferences:
    """The delivery hosts that only one of the two places has, and the proposed ones."""

    only_in_profile: tuple[Host, ...] = ()
    only_in_sheet: tuple[RouteHost, ...] = ()
    proposed: tuple[Host, ...] = ()
    # Whether a person can add a row for a host: not where the hosts are one answer.
    has_routes: bool = False

    def __bool__(self) -> bool:
        return bool(self.only_in_profile or self.only_in_sheet or self.proposed)


def host_differences(sheet: RequirementsSheet) -> HostDifferences:
    """Compare the hosts of the sheet with the profile. Empty for a sheet without hosts."""
    kind = definition_of(sheet)
    if not shows_hosts(kind):
        return HostDifferences()
    hosts = list(
        sheet.task.plan.tenant.hosts.filter(purpose=Host.Purpose.DELIVERY).select_related(
            "proposed_by"
        )
    )
    in_sheet = _hosts_of_rows(sheet)
    known = {RouteHost(host.name, host.port) for host in hosts}
    return HostDifferences(
        tuple(host for host in hosts if RouteHost(host.name, host.port) not in in_sheet),
        tuple(sorted(in_sheet - known)),
        tuple(host for host in hosts if host.is_proposed),
        is_route_sheet(kind),
    )


def _hosts_of_rows(sheet: RequirementsSheet) -> set[RouteHost]:
    kind, rows = definition_of(sheet), SheetRow.objects.filter(sheet=sheet).order_by()
    if is_route_sheet(kind):
        stored = rows.values_list("values__host", "values__port").distinct()
        return {RouteHost(name, int(port)) for name, port in stored}
    return hosts_in(kind, rows.values_list("values", flat=True))


def add_routes_to(sheet: RequirementsSheet, host_id: str, *, by: User) -> int:
    """Add a row for the host of the profile and each domain that receives mail.

    Returns the number of added rows. Raises OnboardingError if the sheet has the host already.
    """
    found = (each for each in host_differences(sheet).only_in_profile if each.public_id == host_id)
    host = next(found, None)
    if host is None:
        raise OnboardingError("The sheet has this host already. Nothing was added.")
    tenant = sheet.task.plan.tenant
    context, added = validation_context_of(tenant), 0
    for domain in tenant.domains.filter(role__in=MAIL_ROLES):
        typed = {"domain": domain.name, "host": host.name, "port": str(host.port)}
        entry = read_entry(definition_of(sheet), typed, context)
        if entry.problems:
            raise OnboardingError(" ".join(entry.problems.values()))
        try:
            add_row(sheet, entry, by=by, source=SheetRow.Source.PROFILE)
        except DuplicateRow:
            # The row has the same domain and host with another port.
            continue
        added += 1
    if not added:
        raise OnboardingError(
            f"The sheet has {host.name} with another port. Correct the port of its rows."
        )
    return added
