"""TODO docstring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from checks.models import Check
from checks.tasks import run_now
from onboarding.lifecycle import domain_removal, tenants
from onboarding.lifecycle.domain_removal import RemovalEffect
from onboarding.lifecycle.forms.profile import (
    DomainFormSet,
    HostFormSet,
    ProfileForm,
    RegionValuesForm,
)
from onboarding.lifecycle.profile_suggestions import profile_suggestions
from onboarding.lifecycle.tasks import queue_dns_scan
from onboarding.lifecycle.tenants import DomainEntry, HostEntry, NewTenant
from onboarding.plans.page import current_user, load_page, show
from tenants.access import require, tenant_or_404
from tenants.models import Tenant, User
from tenants.permissions import Permission
from tenants.queries import domains_at_other_tenants
from tenants.regions import gap_sentences


def _forms(request: HttpRequest, tenant: Tenant) -> tuple[ProfileForm, Any, Any]:
    data = request.POST if request.method == "POST" else None
    return (
        ProfileForm(data, instance=tenant),
        DomainFormSet(data, instance=tenant, prefix="domains"),
        HostFormSet(data, instance=tenant, prefix="hosts"),
    )


def _all_valid(*forms: Any) -> bool:
    """Ask every form, so that every mistake is told at once."""
    answers = [form.is_valid() for form in forms]
    return all(answers)


@require(Permission.CREATE_TENANT)
@require_http_methods(["GET", "POST"])
def tenant_create(request: HttpRequest) -> HttpResponse:
    profile, domains, hosts = _forms(request, Tenant(consultant=current_user(request)))
    if request.method == "POST" and _all_valid(profile, domains, hosts):
        with transaction.atomic():
            tenant = tenants.create_tenant(
                _entry(profile, domains, hosts), by=current_user(request)
            )
            run_now(tenant.checks.all())
            queue_dns_scan(tenant.domains.all())
        return redirect("onboarding:plan-show", public_id=tenant.public_id)
    context = {"profile": profile, "domains": domains, "hosts": hosts}
    status = 422 if request.method == "POST" else 200
    return render(request, "lifecycle/tenant_create.html", context, status=status)


def _entry(profile: ProfileForm, domains: Any, hosts: Any) -> NewTenant:
    return NewTenant(
        profile={name: profile.cleaned_data[name] for name in ProfileForm.Meta.fields},
        domains=[
            DomainEntry(
                form.cleaned_data["name"],
                form.cleaned_data["role"],
                form.cleaned_data["ownership_token"],
                form.cleaned_data["ownership_label"],
                form.cleaned_data["dkim_selectors"],
                form.cleaned_data["original_mx_ttl_seconds"],
            )
            for form in domains.rows()
        ],
        hosts=[
            HostEntry(
                form.cleaned_data["purpose"],
                form.cleaned_data["name"],
                form.cleaned_data["port"],
                form.cleaned_data["consent"],
                form.cleaned_data["recipient"],
            )
            for form in hosts.rows()
        ],
    )


@require(Permission.EDIT_PROFILE)
@require_http_methods(["GET", "POST"])
def profile_edit(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    before = {name: getattr(tenant, name) for name in ProfileForm.Meta.fields}
    profile, domains, hosts = _forms(request, tenant)
    if request.method == "POST" and _all_valid(profile, domains, hosts):
        leaving = _leaving(tenant, domains, hosts)
        is_held = any(each.in_window for each in leaving)
        if is_held or domain_removal.fingerprint(leaving) != request.POST.get(
            "confirmed_removals", ""
        ):
            forms = {"profile": profile, "domains": domains, "hosts": hosts}
            return _show_profile(request, public_id, leaving=leaving, **forms)
        with transaction.atomic():
            tenant.save(update_fields=ProfileForm.Meta.fields)
            # First: of two primaries the database takes neither.
            domain_removal.remove_subjects(tenant, leaving, by=current_user(request))
            domains.save()
            hosts.save()
            tenants.record_profile_change(tenant, before=before, by=current_user(request))
            _note_rows(tenant, domains, hosts, by=current_user(request))
            run_now(_consented(tenant, hosts, by=current_user(request)))
            run_now(tenant.checks.filter(checked_at__isnull=True))
            queue_dns_scan(domains.new_objects)
        messages.success(request, "Saved. The plan and its checks follow the profile.")
        return redirect("onboarding:profile-edit", public_id=public_id)
    return _show_profile(request, public_id, profile=profile, domains=domains, hosts=hosts)


def _leaving(tenant: Tenant, *formsets: Any) -> list[RemovalEffect]:
    """What would be taken out, and what that means: said before it is done."""
    deleted = [form.instance for formset in formsets for form in formset.deleted_forms]
    return domain_removal.leaving(tenant, [row for row in deleted if row.pk])


def _consented(tenant: Tenant, hosts: Any, *, by: User) -> list[Check]:
    agreed = {form.instance.pk for form in hosts.rows() if form.cleaned_data["consent"]}
    return tenants.set_consent(tenant, agreed, by=by)


def _note_rows(tenant: Tenant, domains: Any, hosts: Any, *, by: User) -> None:
    for formset in (domains, hosts):
        tenants.log_subject_changes(
            tenant,
            by=by,
            added=[str(row) for row in formset.new_objects],
            # A host's consent has a line of its own.
            changed=[str(row) for row, what in formset.changed_objects if what != ["consent"]],
        )


@require(Permission.EDIT_PROFILE)
@require_http_methods(["POST"])
def region_values(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = RegionValuesForm(request.POST, tenant=tenant)
    if not form.is_valid():
        return _show_profile(request, public_id, region_form=form)
    before = {"region_overrides": tenant.region_overrides}
    with transaction.atomic():
        tenant.region_overrides = form.cleaned_data["overrides"]
        tenant.save(update_fields=["region_overrides"])
        tenants.record_profile_change(tenant, before=before, by=current_user(request))
        run_now(tenant.checks.filter(settled_verdict=""))
    messages.success(request, "Saved. Checks now expect these values.")
    return redirect("onboarding:profile-edit", public_id=public_id)


def _show_profile(
    request: HttpRequest, public_id: str, *, leaving: Sequence[RemovalEffect] = (), **forms: Any
) -> HttpResponse:
    # A refused form has already written into its instance: show the tenant as it is on record.
    page = load_page(request, public_id)
    tenant = page.tenant
    if "profile" not in forms:
        forms |= {
            "profile": ProfileForm(instance=tenant),
            "domains": DomainFormSet(instance=tenant, prefix="domains"),
            "hosts": HostFormSet(instance=tenant, prefix="hosts"),
        }
    forms.setdefault("region_form", RegionValuesForm(tenant=tenant))
    bound = [form for form in forms.values() if form.is_bound]
    context = {
        "page": page,
        "tenant": tenant,
        "gaps": gap_sentences(tenant.region_values),
        "tab": "profile",
        "around": profile_suggestions(tenant),
        "domains_elsewhere": domains_at_other_tenants(tenant, current_user(request)),
        "leaving": leaving,
        "leaving_mark": domain_removal.fingerprint(leaving),
        "is_held": any(each.in_window for each in leaving),
        **forms,
    }
    if request.method == "GET":
        return show(request, "lifecycle/profile_edit.html", "suggestions", context)
    status = 422 if bound else 200
    return render(request, "lifecycle/profile_edit.html", context, status=status)
