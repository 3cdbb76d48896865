"""Differences between the delivery routes of the sheet and the delivery hosts of the profile."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetRow, TaskRole
from onboarding.requirements.services import DuplicateRow, add_row, validation_context_of
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants.models import Domain, Host, User

# A sheet with more distinct hosts is compared in part: a profile has few hosts.
_MAX_COMPARED = 500
_MAIL_ROLES = (Domain.Role.PRIMARY, Domain.Role.SECONDARY, Domain.Role.TEST)


@dataclass(frozen=True)
class RouteHost:
    """A host of the sheet that the profile lacks."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True)
class HostDifferences:
    """The delivery hosts that only one of the two places has."""

    only_in_profile: tuple[Host, ...] = ()
    only_in_sheet: tuple[RouteHost, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.only_in_profile or self.only_in_sheet)


def host_differences(sheet: RequirementsSheet) -> HostDifferences:
    """Compare the sheet of delivery routes with the profile. Empty for every other sheet."""
    if sheet.kind != TaskRole.GATHERS_DELIVERY_ROUTES.sheet_kind:
        return HostDifferences()
    hosts = list(sheet.task.plan.tenant.hosts.filter(purpose=Host.Purpose.DELIVERY))
    rows = SheetRow.objects.filter(sheet=sheet).order_by()
    stored = rows.values_list("values__host", "values__port").distinct()[:_MAX_COMPARED]
    routes = {RouteHost(name, int(port)) for name, port in stored}
    known = {RouteHost(host.name, host.port) for host in hosts}
    return HostDifferences(
        tuple(host for host in hosts if RouteHost(host.name, host.port) not in routes),
        tuple(sorted(routes - known, key=str)),
    )


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
    for domain in tenant.domains.filter(role__in=_MAIL_ROLES):
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
