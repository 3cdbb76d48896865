"""The search: results by kind, or a redirect to the only matching tenant."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import search as searching
from tenants.access import require
from tenants.permissions import Permission
from tenants.queries import tenants_for


@require(Permission.OPEN_HOME)
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """The results as a fragment while a person types, or as a page with its own search box."""
    user = current_user(request)
    wanted = request.GET.get("q", "").strip()
    current_tenant = tenants_for(user).filter(public_id=request.GET.get("tenant", "")).first()
    groups = searching.find(user, wanted, current_tenant=current_tenant)
    tenant_id = searching.single_tenant(groups)
    if tenant_id is not None and not getattr(request, "htmx", False):
        tenant = tenants_for(user).get(pk=tenant_id)
        return redirect("onboarding:plan-show", public_id=tenant.public_id)
    context = {
        "groups": groups,
        "wanted": wanted,
        "current_tenant": current_tenant,
        "is_too_short": not searching.search_terms(wanted),
        "min_length": searching.MIN_LENGTH,
    }
    return show(request, "portfolio/search_show.html", "search-results-list", context)
