"""The home page: the first page of each role."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from onboarding.plans.tenant_page import current_user
from tenants.access import require
from tenants.installation_setup import decisions
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
        # Until an administrator ends it, the first run is their home page.
        is_set_up = decisions.is_finished()
        return redirect("onboarding:tenant-list" if is_set_up else "onboarding:setup")
    tenants = list(open_tenants_for(user)[:2]) or list(tenants_for(user)[:2])
    if len(tenants) == 1:
        return redirect("onboarding:my-tasks", public_id=tenants[0].public_id)
    return redirect("onboarding:tenant-list")
