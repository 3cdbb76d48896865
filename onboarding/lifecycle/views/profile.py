"""The profile page of a tenant, and its own region values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from checks.engine.zone_text import ZoneNote
from onboarding.cutovers.forms import CancelForm
from onboarding.cutovers.planning import ReasonMissing
from onboarding.error_responses import catch_errors, errors_on_form
from onboarding.lifecycle import domain_removal, tenants
from onboarding.lifecycle.domain_removal import RemovalEffect
from onboarding.lifecycle.forms.profile import (
    DomainFormSet,
    HostFormSet,
    ProfileForm,
    RegionValuesForm,
    domain_formset,
)
from onboarding.lifecycle.forms.recipients import refuse_foreign_recipients
from onboarding.lifecycle.forms.zone_import import ZoneFileForm
from onboarding.lifecycle.profile_suggestions import profile_suggestions
from onboarding.lifecycle.tenants import ProfileEntry, host_key
from onboarding.plans.tenant_page import current_user, load_page, show
from tenants.access import require, tenant_or_404
from tenants.models import Tenant, User
from tenants.permissions import Permission
from tenants.queries import domains_at_other_tenants
from tenants.region_values import LABELS
from tenants.regions import gap_sentences


def _forms(request: HttpRequest, tenant: Tenant) -> tuple[ProfileForm, Any, Any]:
    data = request.POST if request.method == "POST" else None
    return (
        ProfileForm(data, instance=tenant),
        DomainFormSet(data, instance=tenant, prefix="domains"),
        HostFormSet(data, instance=tenant, prefix="hosts"),
    )


def all_valid(profile: ProfileForm, domains: Any, hosts: Any) -> bool:
    """Validate all forms, so that the page shows all errors at once."""
    results = [form.is_valid() for form in (profile, domains, hosts)]
    return all(results) and refuse_foreign_recipients(domains, hosts)


@require(Permission.EDIT_PROFILE)
@require_http_methods(["GET", "POST"])
def profile_edit(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    profile, domains, hosts = _forms(request, tenant)
    forms = {"profile": profile, "domains": domains, "hosts": hosts}
    if request.method != "POST" or not all_valid(profile, domains, hosts):
        return _show_profile(request, public_id, **forms)
    removed = domain_removal.removal_effects(tenant, domains.removed() + hosts.removed())
    if not _is_confirmed(request, removed):
        return _show_profile(request, public_id, removals=removed, **forms)
    removal_form = _removal_form(request.POST)
    if removal_form.is_valid():
        entry = entry_of(domains, hosts, removed, removal_form.cleaned_data["reason"])
        with catch_errors() as attempt:
            tenants.save_profile(tenant, entry, by=current_user(request))
            messages.success(request, "Saved. The plan and its checks follow the profile.")
            return redirect("onboarding:profile-edit", public_id=public_id)
        if not isinstance(attempt.error, ReasonMissing):
            profile.add_error(None, str(attempt.error))
            return _show_profile(request, public_id, **forms)
        removal_form.add_error("reason", str(attempt.error))
    return _show_profile(request, public_id, removals=removed, removal_form=removal_form, **forms)


def _removal_form(data: Any) -> CancelForm:
    """The reason for removing domains: the same rule as for the cancellation of their cutover."""
    return CancelForm(data, prefix="removal")


def entry_of(
    domains: Any, hosts: Any, removed: Sequence[RemovalEffect] = (), reason: str = ""
) -> ProfileEntry:
    consented = {host_key(row.instance) for row in hosts.rows() if row.cleaned_data["consent"]}
    return ProfileEntry(domains.instances(), hosts.instances(), consented, removed, reason)


def _is_confirmed(request: HttpRequest, removed: Sequence[RemovalEffect]) -> bool:
    """Whether the page showed exactly these effects, and no removed domain is in an open window."""
    confirmed = request.POST.get("confirmed_removals", "")
    return domain_removal.fingerprint(removed) == confirmed and not any(
        each.in_window for each in removed
    )


@require(Permission.EDIT_PROFILE)
@require_http_methods(["GET", "POST"])
def zone_file(request: HttpRequest, public_id: str) -> HttpResponse:
    """Read a zone file. Its domains become new rows of the profile page, which saves them."""
    tenant = tenant_or_404(request, public_id)
    first = tenant.domains.order_by("pk").first()
    initial = {"origin": str(first) if first is not None else ""}
    data, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = ZoneFileForm(data, files, tenant=tenant, initial=initial)
    if request.method == "POST" and form.is_valid():
        rows = [{"name": found.name, "role": found.role} for found in form.found.domains]
        messages.info(request, _found_sentence(len(rows)))
        if form.found.caution:
            messages.warning(request, form.found.caution)
        return _show_profile(
            request,
            public_id,
            zone_notes=form.found.notes,
            profile=ProfileForm(instance=tenant),
            domains=domain_formset(tenant, rows),
            hosts=HostFormSet(instance=tenant, prefix="hosts"),
        )
    context = {"page": load_page(request, public_id), "form": form, "tab": "profile"}
    status = 422 if request.method == "POST" else 200
    return render(request, "lifecycle/zone_file.html", context, status=status)


def _found_sentence(number: int) -> str:
    domains = "1 domain" if number == 1 else f"{number} domains"
    return (
        f"{domains} found in the zone file. Check the role of each new row, and save the profile."
        " Nothing is saved yet."
    )


@require(Permission.EDIT_PROFILE)
@require_http_methods(["POST"])
def region_values(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = RegionValuesForm(request.POST, tenant=tenant)
    if form.is_valid():
        overrides = form.cleaned_data["overrides"]
        with errors_on_form(form):
            tenants.save_region_values(tenant, overrides, by=current_user(request))
            messages.success(request, "Saved. Checks now expect these values.")
            return redirect("onboarding:profile-edit", public_id=public_id)
    return _show_profile(request, public_id, region_form=form)


def _removal_form_of(
    removals: Sequence[RemovalEffect], refused: CancelForm | None
) -> CancelForm | None:
    """The refused form, or a new one if the removals may need a reason."""
    may_need_reason = any(each.may_need_reason for each in removals)
    return refused or (_removal_form(None) if may_need_reason else None)


def _show_profile(
    request: HttpRequest,
    public_id: str,
    removals: Sequence[RemovalEffect] = (),
    removal_form: CancelForm | None = None,
    zone_notes: Sequence[ZoneNote] = (),
    **forms: Any,
) -> HttpResponse:
    # An invalid form has changed its instance: show the stored tenant.
    page = load_page(request, public_id)
    tenant = page.tenant
    status = 422 if any(form.is_bound for form in forms.values()) else 200
    context = {
        "page": page,
        "tenant": tenant,
        "tab": "profile",
        **_notes(tenant, current_user(request)),
        "zone_notes": zone_notes,
        **_removals(removals, removal_form),
        **_with_stored_values(forms, tenant),
    }
    if request.method == "GET":
        return show(request, "lifecycle/profile_edit.html", "suggestions", context)
    return render(request, "lifecycle/profile_edit.html", context, status=status)


def _notes(tenant: Tenant, user: User) -> dict[str, Any]:
    """The values of the region that are missing or need a confirmation, and the suggestions."""
    return {
        "suggestions": profile_suggestions(tenant),
        "domains_elsewhere": domains_at_other_tenants(tenant, user),
        "gaps": gap_sentences(tenant.region_values),
        "unconfirmed": [LABELS[name] for name in tenant.unconfirmed_region_values],
    }


def _removals(removals: Sequence[RemovalEffect], removal_form: CancelForm | None) -> dict[str, Any]:
    """The effects of the removals that the person has to confirm, and the form of the reason."""
    return {
        "removals": removals,
        "removal_form": _removal_form_of(removals, removal_form),
        "removals_fingerprint": domain_removal.fingerprint(removals),
        "has_open_window": any(each.in_window for each in removals),
    }


def _with_stored_values(forms: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    """The forms of the page; those that were not sent have the stored values."""
    if "profile" not in forms:
        forms |= {
            "profile": ProfileForm(instance=tenant),
            "domains": DomainFormSet(instance=tenant, prefix="domains"),
            "hosts": HostFormSet(instance=tenant, prefix="hosts"),
        }
    return {"region_form": RegionValuesForm(tenant=tenant), **forms}
