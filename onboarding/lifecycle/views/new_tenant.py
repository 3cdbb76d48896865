"""Creating a tenant: its domains first, then the other fields with the suggestions from DNS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods

from onboarding.error_responses import errors_on_form
from onboarding.lifecycle import domain_scans, tenants
from onboarding.lifecycle.forms.domain_list import DomainListForm
from onboarding.lifecycle.forms.profile import (
    DomainFormSet,
    HostFormSet,
    ProfileForm,
    domain_formset,
    host_formset,
)
from onboarding.lifecycle.new_profile_suggestions import (
    NewProfileSuggestions,
    SuggestedValue,
    suggest_profile,
)
from onboarding.lifecycle.tasks import queue_domain_scan
from onboarding.lifecycle.tenants import DNS_SCAN_LIMIT
from onboarding.lifecycle.views.profile import all_valid, entry_of
from onboarding.models import DomainScan
from onboarding.plans.tenant_page import current_user
from tenants.access import TOO_LOW, access_or_404, require
from tenants.models import Tenant
from tenants.permissions import Permission, may
from tenants.throttle import throttled

_PAGE = "lifecycle/tenant_create.html"
# The fields with a suggestion or a hint, in the order of the page.
_ROWS = (
    "platform",
    "account_code",
    "region",
    "directory_method",
    "authentication",
    "time_zone",
    "dkim_in_use",
)
_WITHOUT_SCAN = {
    "authentication": "Preset: most clients sign in through single sign-on. Ask the client.",
    "account_code": "For example CUSA13A123. It identifies the region.",
    "time_zone": "Type a city. Cutover times use this time zone.",
}


@dataclass(frozen=True)
class SuggestedField:
    """A field of the form with its suggestion. `differs`: the field has another value.

    `is_searched`: DNS discovery covers the field, also if it found no value.
    """

    field: BoundField
    suggestion: SuggestedValue
    differs: bool
    is_searched: bool


@require(Permission.CREATE_TENANT)
@require_http_methods(["GET", "POST"])
@throttled(*DNS_SCAN_LIMIT)
def tenant_new(request: HttpRequest) -> HttpResponse:
    """The domains of the new tenant. A worker scans them, and the next page shows the results."""
    source = _cloned_tenant(request)
    form = DomainListForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            scan = domain_scans.create_scan(
                form.cleaned_data["domains"], changed=form.changed, by=current_user(request)
            )
            queue_domain_scan(scan)
        return _to_form(request, scan)
    context = {"form": form, "source": source, "query": _query(request).urlencode()}
    status = 422 if request.method == "POST" else 200
    return render(request, "lifecycle/tenant_new.html", context, status=status)


def _to_form(request: HttpRequest, scan: DomainScan) -> HttpResponse:
    query = _query(request)
    query["scan"] = scan.public_id
    response = redirect("onboarding:tenant-create")
    response["Location"] += f"?{query.urlencode()}"
    return response


def _query(request: HttpRequest) -> QueryDict:
    """The parameters that the next page needs: the tenant whose profile is cloned."""
    query = QueryDict(mutable=True)
    if "from" in request.GET:
        query["from"] = request.GET["from"]
    return query


@require(Permission.CREATE_TENANT)
@require_http_methods(["GET", "POST"])
def tenant_create(request: HttpRequest) -> HttpResponse:
    """The form of the profile. With `?scan=`, DNS discovery has filled it in.

    While the scan is in progress, the page shows that, unless the address has `wait=no`.
    """
    scan, source = _scan_of(request), _cloned_tenant(request)
    is_waiting = scan is not None and scan.is_in_progress and request.GET.get("wait") != "no"
    if scan is not None and is_waiting and request.method == "GET":
        context = {"scan": scan, "is_late": domain_scans.is_late(scan), "source": source}
        return _show(request, context)
    suggestions = suggest_profile(scan.domains, scan.found) if scan is not None else None
    tenant = tenants.clone_of(source) if source is not None else Tenant()
    tenant.consultant = current_user(request)
    forms = _bound_forms(request, tenant) or _suggested_forms(tenant, suggestions, source)
    if request.method == "POST" and all_valid(forms["profile"], forms["domains"], forms["hosts"]):
        with errors_on_form(forms["profile"]):
            entry = entry_of(forms["domains"], forms["hosts"])
            tenants.save_profile(tenant, entry, by=current_user(request))
            if scan is not None:
                scan.delete()
            return redirect("onboarding:plan-show", public_id=tenant.public_id)
    rows = _suggested_fields(forms["profile"], suggestions, source)
    context = {"source": source, "scan": scan, "suggestions": suggestions, "rows": rows}
    return _show(request, {**forms, **context, "is_complete": True})


def _show(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    template = f"{_PAGE}#new_tenant" if getattr(request, "htmx", False) else _PAGE
    status = 422 if request.method == "POST" else 200
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _scan_of(request: HttpRequest) -> DomainScan | None:
    """The scan of the address. Raises Http404 for the scan of another person, or an old one.

    A form that is sent after the scan expired is read without its suggestions.
    """
    public_id = request.GET.get("scan", "")
    if not public_id:
        return None
    own = DomainScan.objects.filter(created_by=current_user(request))
    if request.method == "POST":
        return own.filter(public_id=public_id).first()
    return get_object_or_404(own, public_id=public_id)


def _cloned_tenant(request: HttpRequest) -> Tenant | None:
    """The tenant whose profile fills the empty form. It can be a closed one.

    Raises Http404 to strangers, and PermissionDenied to people who may not edit its profile.
    """
    public_id = request.GET.get("from", "")
    # A sent form has its own values.
    if not public_id or request.method != "GET":
        return None
    access = access_or_404(request, public_id)
    if not may(access.role, Permission.EDIT_PROFILE):
        raise PermissionDenied(TOO_LOW)
    return access.tenant


def _bound_forms(request: HttpRequest, tenant: Tenant) -> dict[str, Any] | None:
    if request.method != "POST":
        return None
    return {
        "profile": ProfileForm(request.POST, instance=tenant),
        "domains": DomainFormSet(request.POST, instance=tenant, prefix="domains"),
        "hosts": HostFormSet(request.POST, instance=tenant, prefix="hosts"),
    }


def _suggested_forms(
    tenant: Tenant, suggestions: NewProfileSuggestions | None, source: Tenant | None
) -> dict[str, Any]:
    """The forms with the suggested values. Those of a cloned profile have priority."""
    if suggestions is None:
        return {
            "profile": ProfileForm(instance=tenant),
            "domains": DomainFormSet(instance=tenant, prefix="domains"),
            "hosts": HostFormSet(instance=tenant, prefix="hosts"),
        }
    cloned = tenants.CLONED_FIELDS if source is not None else ()
    # Without evidence a field stays empty, so that the person chooses its value.
    initial = {
        name: suggestion.value
        for name, suggestion in suggestions.fields.items()
        if name not in cloned
    }
    return {
        "profile": ProfileForm(instance=tenant, initial=initial),
        "domains": domain_formset(tenant, [each.as_row() for each in suggestions.domains]),
        "hosts": host_formset(tenant, suggestions.hosts),
    }


def _suggested_fields(
    profile: ProfileForm, suggestions: NewProfileSuggestions | None, source: Tenant | None
) -> list[SuggestedField]:
    """The fields in the order of the page. Without a scan, none has a suggestion."""
    rows = []
    for name in _ROWS:
        found = suggestions.fields.get(name) if suggestions is not None else None
        suggestion = found or SuggestedValue(reason=_WITHOUT_SCAN.get(name, ""))
        if not suggestion.is_found and source is not None and name in tenants.CLONED_FIELDS:
            suggestion = SuggestedValue(reason=f"From the profile of {source}.")
        field = profile[name]
        differs = suggestion.is_found and _text(field) != str(suggestion.value)
        rows.append(SuggestedField(field, suggestion, differs, is_searched=found is not None))
    return rows


def _text(field: BoundField) -> str:
    """The value of the field. A box that the browser sent as `on` is true."""
    value = field.value()
    return "True" if value in (True, "on") else str(value or "")
