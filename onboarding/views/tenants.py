"""Home, the list of tenants, creating one, and changing its profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from checks.models import Check
from checks.tasks import look_now
from onboarding import filters, queries, removals, services
from onboarding.forms.profile import DomainFormSet, HostFormSet, ProfileForm, RegionValuesForm
from onboarding.removals import Leaving
from onboarding.services import DomainEntry, HostEntry, NewTenant
from onboarding.suggestions import surroundings
from onboarding.tasks import look_around_soon
from onboarding.views.shared import load_page, show, signed_in
from tenants.access import act, tenant_or_404
from tenants.models import Tenant, User
from tenants.permissions import Act
from tenants.queries import elsewhere, open_tenants_for, tenants_for
from tenants.regions import gap_sentences


@act(Act.OPEN_HOME)
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Everyone to their own first page; a client of several tenants chooses."""
    user = signed_in(request)
    if user.staff_role == User.StaffRole.MANAGER:
        return redirect("onboarding:dashboard")
    if user.is_mimecast:
        return redirect("onboarding:tenant-list")
    tenants = list(open_tenants_for(user)[:2]) or list(tenants_for(user)[:2])
    if len(tenants) == 1 and tenants[0].is_closed:
        return redirect("onboarding:watch", public_id=tenants[0].public_id)
    if len(tenants) == 1:
        return redirect("onboarding:steps", public_id=tenants[0].public_id)
    return redirect("onboarding:tenant-list")


@act(Act.OPEN_HOME)
@require_GET
def tenant_list(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    of = request.GET.get("of", "")
    is_mine = user.staff_role == User.StaffRole.CONSULTANT and of not in ("all", "closed")
    mine = tenants_for(user).filter(consultant=user) if is_mine else tenants_for(user)
    drifted = mine.filter(filters.drifted(timezone.now()))
    tenants = drifted if of == "drifted" else mine.filter(archived_at__isnull=of != "closed")
    wanted = request.GET.get("q", "").strip()
    if wanted:
        tenants = tenants.filter(
            Q(name__icontains=wanted) | Q(domains__name__icontains=wanted)
        ).distinct()
    found = Paginator(queries.with_plans(tenants), 50).get_page(request.GET.get("page"))
    context = {
        "tenants": found,
        "counts": queries.check_counts(list(found)),
        "drifts": queries.drift_counts(list(found)),
        "drifted": drifted.count(),
        "wanted": wanted,
        "is_mine": is_mine,
        "is_closed": of == "closed",
        "is_drifted": of == "drifted",
    }
    return show(request, "onboarding/tenant_list.html", "tenants", context)


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


@act(Act.CREATE_TENANT)
@require_http_methods(["GET", "POST"])
def tenant_create(request: HttpRequest) -> HttpResponse:
    profile, domains, hosts = _forms(request, Tenant(consultant=signed_in(request)))
    if request.method == "POST" and _all_valid(profile, domains, hosts):
        with transaction.atomic():
            tenant = services.create_tenant(_entry(profile, domains, hosts), by=signed_in(request))
            look_now(tenant.checks.all())
            look_around_soon(tenant.domains.all())
        return redirect("onboarding:plan-show", public_id=tenant.public_id)
    context = {"profile": profile, "domains": domains, "hosts": hosts}
    status = 422 if request.method == "POST" else 200
    return render(request, "onboarding/tenant_create.html", context, status=status)


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
                form.cleaned_data["ttl_before"],
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


@act(Act.EDIT_PROFILE)
@require_http_methods(["GET", "POST"])
def profile_edit(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    before = {name: getattr(tenant, name) for name in ProfileForm.Meta.fields}
    profile, domains, hosts = _forms(request, tenant)
    if request.method == "POST" and _all_valid(profile, domains, hosts):
        leaving = _leaving(tenant, domains, hosts)
        is_held = any(each.in_window for each in leaving)
        if is_held or removals.mark_of(leaving) != request.POST.get("leaving", ""):
            forms = {"profile": profile, "domains": domains, "hosts": hosts}
            return _show_profile(request, public_id, leaving=leaving, **forms)
        with transaction.atomic():
            tenant.save(update_fields=ProfileForm.Meta.fields)
            # First: of two primaries the database takes neither.
            removals.take_out(tenant, leaving, by=signed_in(request))
            domains.save()
            hosts.save()
            services.change_profile(tenant, before=before, by=signed_in(request))
            _note_rows(tenant, domains, hosts, by=signed_in(request))
            look_now(_consented(tenant, hosts, by=signed_in(request)))
            look_now(tenant.checks.filter(looked_at__isnull=True))
            look_around_soon(domains.new_objects)
        messages.success(request, "Saved. The plan and its checks follow the profile.")
        return redirect("onboarding:profile-edit", public_id=public_id)
    return _show_profile(request, public_id, profile=profile, domains=domains, hosts=hosts)


def _leaving(tenant: Tenant, *formsets: Any) -> list[Leaving]:
    """What would be taken out, and what that means: said before it is done."""
    deleted = [form.instance for formset in formsets for form in formset.deleted_forms]
    return removals.leaving(tenant, [row for row in deleted if row.pk])


def _consented(tenant: Tenant, hosts: Any, *, by: User) -> list[Check]:
    agreed = {form.instance.pk for form in hosts.rows() if form.cleaned_data["consent"]}
    return services.set_consent(tenant, agreed, by=by)


def _note_rows(tenant: Tenant, domains: Any, hosts: Any, *, by: User) -> None:
    for formset in (domains, hosts):
        services.note_subjects(
            tenant,
            by=by,
            added=[str(row) for row in formset.new_objects],
            # A host's consent has a line of its own.
            changed=[str(row) for row, what in formset.changed_objects if what != ["consent"]],
        )


@act(Act.EDIT_PROFILE)
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
        services.change_profile(tenant, before=before, by=signed_in(request))
        look_now(tenant.checks.filter(settled_verdict=""))
    messages.success(request, "Saved. Checks now expect these values.")
    return redirect("onboarding:profile-edit", public_id=public_id)


def _show_profile(
    request: HttpRequest, public_id: str, *, leaving: Sequence[Leaving] = (), **forms: Any
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
        "around": surroundings(tenant),
        "elsewhere": elsewhere(tenant, signed_in(request)),
        "leaving": leaving,
        "leaving_mark": removals.mark_of(leaving),
        "is_held": any(each.in_window for each in leaving),
        **forms,
    }
    if request.method == "GET":
        return show(request, "onboarding/profile_edit.html", "suggestions", context)
    status = 422 if bound else 200
    return render(request, "onboarding/profile_edit.html", context, status=status)
