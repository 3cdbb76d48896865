"""What several pages need: the reader's side, a plan's rows, and the page-or-fragment rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from checks.queries import history
from onboarding import queries
from onboarding.judging import Ground
from onboarding.models import Cutover, Plan
from onboarding.rows import PhaseRow, TaskRow, phase_rows, rows_of
from onboarding.safety import ACT_OF_KIND, safeties
from onboarding.services import side_of
from tenants.access import may_steer, tenant_or_404
from tenants.models import Tenant, User
from tenants.regions import Region

# A look asks other people's servers: often enough for somebody who waits, not for a program.
LOOKS = "60/m"


@dataclass(frozen=True)
class TenantPage:
    """Everything about one tenant that its pages have in common, fetched once."""

    tenant: Tenant
    plan: Plan
    region: Region
    ground: Ground
    rows: list[TaskRow]
    phases: list[PhaseRow]
    cutovers: list[Cutover]
    side: str
    may_steer: bool

    @property
    def next_cutover(self) -> Cutover | None:
        return self.cutovers[0] if self.cutovers else None


def signed_in(request: HttpRequest) -> User:
    return cast(User, request.user)


def load_page(request: HttpRequest, public_id: str) -> TenantPage:
    """The tenant's page for this reader; 404 to strangers."""
    user = signed_in(request)
    tenant = tenant_or_404(request, public_id)
    plan = tenant.plan
    side = side_of(user, tenant)
    ground = Ground.of(tenant)
    region = tenant.region_values
    seen = history(ground.checks, list(ACT_OF_KIND))
    safety = safeties(ground.checks, seen, region, now=timezone.now())
    rows = rows_of(list(queries.tasks_of(plan)), ground, side=side, safety=safety)
    return TenantPage(
        tenant=tenant,
        plan=plan,
        region=region,
        ground=ground,
        rows=rows,
        phases=phase_rows(list(queries.phases_of(plan)), rows),
        cutovers=list(plan.cutovers.all()),
        side=side,
        may_steer=may_steer(user),
    )


def show(request: HttpRequest, template: str, fragment: str, context: Any) -> HttpResponse:
    """The page, or the fragment of it that htmx asked for."""
    is_fragment = bool(getattr(request, "htmx", False))
    response = render(request, f"{template}#{fragment}" if is_fragment else template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response
