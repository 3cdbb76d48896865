"""The search box: everything that holds the words, or straight to the one tenant meant."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from onboarding import finding
from onboarding.views.shared import show, signed_in
from tenants.access import act
from tenants.permissions import Act
from tenants.queries import tenants_for


@act(Act.OPEN_HOME)
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """As somebody types, the fragment under the box; as a page, the same with its own box."""
    user = signed_in(request)
    wanted = request.GET.get("q", "").strip()
    here = tenants_for(user).filter(public_id=request.GET.get("in", "")).first()
    groups = finding.find(user, wanted, here=here)
    meant = finding.only_tenant(groups)
    if meant is not None and not getattr(request, "htmx", False):
        tenant = tenants_for(user).get(pk=meant)
        return redirect("onboarding:plan-show", public_id=tenant.public_id)
    context = {
        "groups": groups,
        "wanted": wanted,
        "here": here,
        "is_too_short": not finding.words_of(wanted),
        "shortest": finding.SHORTEST,
    }
    return show(request, "onboarding/search.html", "found", context)
