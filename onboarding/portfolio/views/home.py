"""The home page and the list of tenants."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio import filters
from onboarding.portfolio.queries import with_plan
from onboarding.portfolio.tenant_rows import tenant_rows
from tenants import database_time
from tenants.access import require
from tenants.models import User
from tenants.permissions import Permission
from tenants.queries import open_tenants_for, tenants_for


@require(Permission.OPEN_HOME)
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Redirect each person to their first page. A client of several tenants chooses one."""
    user = current_user(request)
    if user.staff_role == User.StaffRole.MANAGER:
        return redirect("onboarding:dashboard")
    if user.staff_role == User.StaffRole.CONSULTANT:
        return redirect("onboarding:desk")
    if user.is_mimecast:
        return redirect("onboarding:tenant-list")
    tenants = list(open_tenants_for(user)[:2]) or list(tenants_for(user)[:2])
    if len(tenants) == 1 and tenants[0].is_closed:
        return redirect("onboarding:monitoring", public_id=tenants[0].public_id)
    if len(tenants) == 1:
        return redirect("onboarding:my-tasks", public_id=tenants[0].public_id)
    return redirect("onboarding:tenant-list")


@require(Permission.OPEN_HOME)
@require_GET
def tenant_list(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    of = request.GET.get("show", "")
    is_mine = user.staff_role == User.StaffRole.CONSULTANT and of not in ("all", "closed")
    mine = tenants_for(user).filter(consultant=user) if is_mine else tenants_for(user)
    now = database_time.now()
    drifted = mine.filter(filters.drifted(now))
    tenants = drifted if of == "drifted" else mine.filter(closed_at__isnull=of != "closed")
    wanted = request.GET.get("q", "").strip()
    if wanted:
        tenants = tenants.filter(
            Q(name__icontains=wanted) | Q(domains__name__icontains=wanted)
        ).distinct()
    found = Paginator(with_plan(tenants), 50).get_page(request.GET.get("page"))
    context = {
        "tenants": found,
        "rows": tenant_rows(list(found), is_staff=user.is_mimecast),
        "drifted": drifted.count(),
        "wanted": wanted,
        "is_mine": is_mine,
        "is_closed": of == "closed",
        "is_drifted": of == "drifted",
    }
    return show(request, "portfolio/tenant_list.html", "tenants", context)
