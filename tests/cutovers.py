"""Factory of cutovers."""

from __future__ import annotations

from datetime import datetime

from onboarding.models import Cutover, CutoverDomain
from tenants.models import Tenant


def cutover_of(tenant: Tenant, direction: str, planned_at: datetime, *names: str) -> Cutover:
    """A cutover of the named domains, or of all domains of the tenant."""
    made = Cutover.objects.create(plan=tenant.plan, direction=direction, planned_at=planned_at)
    domains = tenant.domains.filter(name__in=names) if names else tenant.domains.all()
    CutoverDomain.objects.bulk_create(
        CutoverDomain(cutover=made, domain=domain, direction=direction) for domain in domains
    )
    return made
