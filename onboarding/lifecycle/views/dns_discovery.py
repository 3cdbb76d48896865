"""DNS discovery of a domain, and the decisions about its suggestions."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from checks.models import Discovery
from checks.queries import discoveries_of
from onboarding.error_responses import errors_as_message
from onboarding.lifecycle import profile_suggestions
from onboarding.lifecycle.profile_suggestions import Suggestion
from onboarding.lifecycle.tenants import DNS_SCAN_LIMIT, request_dns_scan
from onboarding.plans.tenant_page import current_user
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.throttle import throttled


def _to_profile(public_id: str) -> HttpResponse:
    response = redirect("onboarding:profile-edit", public_id=public_id)
    response["Location"] += "#suggestions"
    return response


@require(Permission.EDIT_PROFILE)
@require_POST
@throttled(*DNS_SCAN_LIMIT)
def scan_dns(request: HttpRequest, public_id: str, domain_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    domain = get_object_or_404(tenant.domains, public_id=domain_id)
    request_dns_scan(tenant, domain, by=current_user(request))
    return _to_profile(public_id)


def _decide(
    request: HttpRequest,
    public_id: str,
    domain_id: str,
    action: Callable[[Tenant, Discovery], Suggestion],
    note: str,
) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    discovery = get_object_or_404(discoveries_of(tenant), domain__public_id=domain_id)
    with errors_as_message(request):
        suggestion = action(tenant, discovery)
        messages.success(request, f"{suggestion.label}: {suggestion.shown}. {note}")
    return _to_profile(public_id)


@require(Permission.EDIT_PROFILE)
@require_POST
def suggestion_use(request: HttpRequest, public_id: str, domain_id: str) -> HttpResponse:
    fingerprint, by = request.POST.get("suggestion", ""), current_user(request)
    note = "Added to the profile. The plan is updated."
    return _decide(
        request,
        public_id,
        domain_id,
        lambda tenant, discovery: profile_suggestions.use(tenant, discovery, fingerprint, by=by),
        note,
    )


@require(Permission.EDIT_PROFILE)
@require_POST
def suggestion_dismiss(request: HttpRequest, public_id: str, domain_id: str) -> HttpResponse:
    fingerprint, by = request.POST.get("suggestion", ""), current_user(request)
    return _decide(
        request,
        public_id,
        domain_id,
        lambda tenant, discovery: profile_suggestions.dismiss(
            tenant, discovery, fingerprint, by=by
        ),
        "Dismissed.",
    )
