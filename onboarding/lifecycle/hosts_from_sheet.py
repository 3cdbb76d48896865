"""Add hosts of the sheet of delivery routes to the profile."""

from __future__ import annotations

from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.lifecycle import tenants
from onboarding.models import RequirementsSheet
from onboarding.plan_templates import plan_creation
from onboarding.requirements.delivery_hosts import host_differences
from tenants import domain_lifecycle
from tenants.models import Host, User


def add_host_from_sheet(sheet: RequirementsSheet, shown: str, *, by: User) -> Host:
    """Add the host, as the sheet shows it, to the profile: without consent to connections.

    Raises OnboardingError if the profile has the host already, or the sheet has it no longer.
    """
    tenant = sheet.task.plan.tenant
    if tenant.is_closed:
        raise OnboardingError("The tenant has been closed. Nothing was changed.")
    with transaction.atomic():
        found = (each for each in host_differences(sheet).only_in_sheet if str(each) == shown)
        route = next(found, None)
        if route is None:
            raise OnboardingError("This difference no longer exists. Nothing was changed.")
        host = domain_lifecycle.add_or_restore(
            Host(
                tenant=tenant,
                purpose=Host.Purpose.DELIVERY,
                name=route.name,
                port=route.port,
            )
        )
        plan_creation.apply_profile(tenant)
        tenants.log_subject_changes(tenant, by=by, added=[str(host)], changed=[])
    return host
