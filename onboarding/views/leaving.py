"""Closing a tenant, taking its data along, and erasing it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from onboarding import closing, exporting, leaving
from onboarding.errors import OnboardingError
from onboarding.forms.words import ReopenForm
from onboarding.models import ClosingPack, TenantExport
from onboarding.packs import building
from onboarding.tasks import build_export_soon, build_pack_soon
from onboarding.views.files import send_file
from onboarding.views.shared import load_page, signed_in
from tenants.access import act, tenant_or_404
from tenants.permissions import Act
from tenants.throttle import throttled


@act(Act.SEE_PEOPLE)
@require_GET
def leaving_show(request: HttpRequest, public_id: str) -> HttpResponse:
    return render(request, "onboarding/leaving.html", _context(request, public_id, ReopenForm()))


def _context(request: HttpRequest, public_id: str, reopening: ReopenForm) -> dict[str, object]:
    page = load_page(request, public_id)
    export = TenantExport.objects.filter(tenant=page.tenant).first() if page.may_export else None
    packs = ClosingPack.objects.filter(tenant=page.tenant) if page.may_take_pack else []
    return {
        "page": page,
        "tab": "people",
        "export": export,
        "packs": packs,
        "reopening": reopening,
    }


def _back(public_id: str) -> HttpResponse:
    return redirect("onboarding:leaving", public_id=public_id)


@act(Act.CLOSE)
@require_POST
def tenant_close(request: HttpRequest, public_id: str) -> HttpResponse:
    leaving.close_tenant(tenant_or_404(request, public_id), by=signed_in(request))
    messages.success(request, "Closed. It can still be read, and opened again.")
    return _back(public_id)


@act(Act.CLOSE)
@require_POST
def tenant_reopen(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    form = ReopenForm(request.POST)
    if not form.is_valid():
        return render(
            request, "onboarding/leaving.html", _context(request, public_id, form), status=422
        )
    closing.reopen(tenant, by=signed_in(request), because=form.cleaned_data["because"])
    messages.success(request, "Open again. What no longer holds is open in the plan.")
    return redirect("onboarding:plan-show", public_id=public_id)


@act(Act.TAKE_PACK)
@require_POST
@throttled("pack", "10/h")
def pack_request(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    try:
        build_pack_soon(building.ask_for_pack(tenant, by=signed_in(request)))
        messages.success(request, "The pack is being made; it appears here when it is ready.")
    except OnboardingError as error:
        messages.error(request, str(error))
    return _back(public_id)


@act(Act.TAKE_PACK)
@require_GET
def pack_show(request: HttpRequest, public_id: str, pack_id: str) -> HttpResponseBase:
    tenant = tenant_or_404(request, public_id)
    packs = ClosingPack.objects.select_related("tenant")
    pack = get_object_or_404(packs, tenant=tenant, public_id=pack_id, ready_at__isnull=False)
    building.note_download(pack, by=signed_in(request))
    name = f"gangway-{slugify(tenant.name) or 'tenant'}-closing-pack.zip"
    return send_file(pack.stored_as, name=name, content_type="application/zip")


@act(Act.EXPORT)
@require_POST
@throttled("export", "10/h")
def export_request(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    build_export_soon(exporting.ask_for_export(tenant, by=signed_in(request)))
    messages.success(request, "The export is being made; it appears here when it is ready.")
    return _back(public_id)


@act(Act.EXPORT)
@require_GET
def export_show(request: HttpRequest, public_id: str, export_id: str) -> HttpResponseBase:
    tenant = tenant_or_404(request, public_id)
    export = get_object_or_404(
        TenantExport, tenant=tenant, public_id=export_id, ready_at__isnull=False
    )
    exporting.note_download(export, by=signed_in(request))
    name = f"gangway-{slugify(tenant.name) or 'tenant'}.zip"
    return send_file(export.stored_as, name=name, content_type="application/zip")


@act(Act.ERASE)
@require_POST
def tenant_erase(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    name = tenant.name
    try:
        leaving.erase_tenant(tenant, typed=request.POST.get("name", ""), by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
        return _back(public_id)
    messages.success(request, f"Everything of {name} is erased.")
    return redirect("onboarding:tenant-list")
