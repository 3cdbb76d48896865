"""The rows of the list of tenants, stored as those of the dashboard."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from django.template.loader import get_template

from onboarding.plans.current_state import tenant_states
from onboarding.plans.forecast_inputs import forecasts_of
from onboarding.portfolio.dashboard_rows import changes_with_time, oldest_runs
from onboarding.portfolio.queries import open_proposal_counts, unfinished, with_plans
from onboarding.portfolio.row_cache import CachedRow, cached_rows
from tenants import database_time
from tenants.models import Tenant


def tenant_rows(tenants: Sequence[Tenant], *, is_staff: bool) -> list[CachedRow]:
    """The row of each tenant, in their order. The tenants are loaded with plan and consultant.

    `is_staff`: for staff of Mimecast. A client's row has no forecast and no proposals.
    """
    kind = "tenants, staff" if is_staff else "tenants, client"
    return cached_rows(kind, tenants, functools.partial(_compute, is_staff=is_staff))


def _compute(tenants: list[Tenant], *, is_staff: bool) -> dict[int, CachedRow]:
    now = database_time.now()
    ids = [tenant.pk for tenant in tenants]
    loaded = list(with_plans(Tenant.objects.filter(pk__in=ids)))
    states = tenant_states(loaded, now=now)
    forecasts = forecasts_of(unfinished(loaded), now=now) if is_staff else {}
    proposals = open_proposal_counts(loaded) if is_staff else {}
    checked_at = oldest_runs(ids)
    template = get_template("portfolio/tenant_row.html")
    rows = {}
    for tenant in loaded:
        facts = {
            "tenant": tenant,
            "state": states[tenant.pk],
            "proposals": proposals.get(tenant.pk),
            "forecast": forecasts.get(tenant.pk),
            "is_staff": is_staff,
        }
        cutovers = list(tenant.plan.cutovers.all())
        changes = changes_with_time(tenant, cutovers, checked_at.get(tenant.pk), now=now)
        rows[tenant.pk] = CachedRow(template.render(facts), (), min(changes))
    return rows
