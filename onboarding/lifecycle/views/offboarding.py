"""Closing, reopening, exporting and erasing a tenant, and its closing packs."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from onboarding.collaboration.views.files import send_file
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.lifecycle import closing, erasure, exports, offboarding
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.forms.closing import CloseForm, EraseForm, ReopenForm
from onboarding.lifecycle.tasks import queue_closing_pack, queue_export
from onboarding.models import ClosingPack, TenantExport
from onboarding.plans.tenant_page import current_user, load_page
from tenants.access import require, tenant_or_404
from tenants.models import Tenant
from tenants.permissions import Permission
from tenants.throttle import throttled


@require(Permission.VIEW_PEOPLE)
@require_GET
def offboarding_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return _show(request, public_id)


def _show(request: HttpRequest, public_id: str, **refused: forms.Form) -> HttpResponse:
    """The page. `refused` has the refused form with its input, by its name in the template."""
    page = load_page(request, public_id)
    tenant = page.tenant
    may_close_now = page.may_close and not tenant.is_closed
    context = {
        "page": page,
        "tab": "people",
        "export": _newest(tenant, TenantExport.Format.TABLES) if page.may_export else None,
        "archive": _newest(tenant, TenantExport.Format.ARCHIVE) if page.may_archive else None,
        "packs": ClosingPack.objects.filter(tenant=tenant)
        if page.may_download_closing_pack
        else [],
        "why_not_close": offboarding.why_not_close(tenant) if may_close_now else "",
        "close_form": CloseForm(auto_id="close-%s"),
        "reopen_form": ReopenForm(auto_id="reopen-%s"),
        "erase_form": EraseForm(tenant=tenant),
        **refused,
    }
    status = 422 if refused else 200
    return render(request, "lifecycle/offboarding_show.html", context, status=status)


def _newest(tenant: Tenant, file_format: TenantExport.Format) -> TenantExport | None:
    return TenantExport.objects.filter(tenant=tenant, format=file_format).first()


def _back(public_id: str) -> HttpResponse:
    return redirect("onboarding:offboarding", public_id=public_id)


@require(Permission.CLOSE_TENANT)
@require_POST
def tenant_close(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = CloseForm(request.POST, auto_id="close-%s")
    if form.is_valid():
        with errors_on_form(form, "reason"):
            offboarding.close_tenant(
                tenant, by=current_user(request), reason=form.cleaned_data["reason"]
            )
            messages.success(request, "Closed. You can still read it and reopen it.")
            return _back(public_id)
    return _show(request, public_id, close_form=form)


@require(Permission.CLOSE_TENANT)
@require_POST
def tenant_reopen(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = ReopenForm(request.POST, auto_id="reopen-%s")
    if not form.is_valid():
        return _show(request, public_id, reopen_form=form)
    closing.reopen_tenant(tenant, by=current_user(request), reason=form.cleaned_data["reason"])
    messages.success(request, "Reopened. Tasks whose proof no longer passes are open in the plan.")
    return redirect("onboarding:plan-show", public_id=public_id)


@require(Permission.DOWNLOAD_CLOSING_PACK)
@require_POST
@throttled("closing-pack", "10/h")
def closing_pack_request(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    with errors_as_message(request):
        queue_closing_pack(build.request_closing_pack(tenant, by=current_user(request)))
        messages.success(
            request, "Gangway builds the closing pack. It appears here when it is ready."
        )
    return _back(public_id)


@require(Permission.DOWNLOAD_CLOSING_PACK)
@require_GET
def closing_pack_show(
    request: HttpRequest, public_id: str, closing_pack_id: str
) -> HttpResponseBase:
    tenant = tenant_or_404(request, public_id)
    packs = ClosingPack.objects.select_related("tenant")
    pack = get_object_or_404(
        packs, tenant=tenant, public_id=closing_pack_id, ready_at__isnull=False
    )
    build.log_download(pack, by=current_user(request))
    name = f"gangway-{slugify(tenant.name) or 'tenant'}-closing-pack.zip"
    return send_file(pack.stored_as, name=name, content_type="application/zip")


@require(Permission.EXPORT_TENANT)
@require_POST
@throttled("export", "10/h")
def export_request(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    queue_export(exports.request_export(tenant, by=current_user(request)))
    messages.success(request, "Gangway builds the export. It appears here when it is ready.")
    return _back(public_id)


@require(Permission.EXPORT_TENANT)
@require_GET
def export_show(request: HttpRequest, public_id: str, export_id: str) -> HttpResponseBase:
    tenant = tenant_or_404(request, public_id)
    export = get_object_or_404(
        TenantExport,
        tenant=tenant,
        public_id=export_id,
        ready_at__isnull=False,
        format=TenantExport.Format.TABLES,
    )
    exports.log_download(export, by=current_user(request))
    name = f"gangway-{slugify(tenant.name) or 'tenant'}.zip"
    return send_file(export.stored_as, name=name, content_type="application/zip")


@require(Permission.ERASE_TENANT)
@require_POST
def tenant_erase(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    name, form = tenant.name, EraseForm(request.POST, tenant=tenant)
    if form.is_valid():
        with errors_on_form(form, "name"):
            erasure.erase_tenant(tenant, typed=form.cleaned_data["name"], by=current_user(request))
            messages.success(request, f"All data of {name} is erased.")
            return redirect("onboarding:tenant-list")
    return _show(request, public_id, erase_form=form)
