"""The first run of an installation: the checklist of administrators, and its actions."""

from __future__ import annotations

import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.plans.tenant_page import current_user, show
from onboarding.portfolio.region_table import region_rows
from onboarding.portfolio.setup_steps import checklist
from tenants.access import require
from tenants.installation_setup import decisions, mail_tests
from tenants.permissions import Permission
from tenants.throttle import throttled
from tenants.tokens import site_url

_OPEN_STEPS = "Complete the open steps first. Nothing was changed."
_NEWER_VALUES = "Gangway has newer region values now. Review them, then confirm again."


@require(Permission.MANAGE_STAFF)
@require_GET
def setup_show(request: HttpRequest) -> HttpResponse:
    context = {"setup": checklist(), "mail_settings": mail_tests.mail_settings()}
    return show(request, "portfolio/setup_show.html", "checklist", context)


@require(Permission.MANAGE_STAFF)
@require_POST
@throttled("setup-mail-test", "20/h")
def mail_test(request: HttpRequest) -> HttpResponse:
    """Queue a test e-mail to the signed-in administrator. The page shows its result."""
    mail_tests.request_mail_test(by=current_user(request), site=site_url(request))
    response = redirect("onboarding:setup")
    response["Location"] += "#mail"
    return response


@require(Permission.MANAGE_STAFF)
@require_http_methods(["GET", "POST"])
def regions_review(request: HttpRequest) -> HttpResponse:
    """The region values with source, date and confidence. POST confirms their review."""
    if request.method == "POST":
        reviewed = request.POST.get("compiled", "")
        if decisions.review_regions(reviewed, by=current_user(request)):
            messages.success(request, "Recorded with your name: the region values are reviewed.")
            return redirect("onboarding:setup")
        messages.warning(request, _NEWER_VALUES)
        return redirect("onboarding:setup-regions")
    compiled = datetime.date.fromisoformat(decisions.compiled_on())
    context = {"regions": region_rows(), "compiled": compiled, "review": decisions.region_review()}
    return render(request, "portfolio/setup_regions.html", context)


@require(Permission.MANAGE_STAFF)
@require_POST
def setup_finish(request: HttpRequest) -> HttpResponse:
    """End the first run. It is refused while a required step is open."""
    if not checklist().is_complete:
        messages.error(request, _OPEN_STEPS)
        return redirect("onboarding:setup")
    decisions.finish(by=current_user(request))
    messages.success(request, "The setup is finished. The account menu still leads to it.")
    return redirect("onboarding:tenant-list")
