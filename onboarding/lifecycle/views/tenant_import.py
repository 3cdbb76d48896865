"""Pages of an import of tenants: paste or upload, preview, confirm, results."""

from __future__ import annotations

import csv
import io

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.collaboration.uploads import was_too_large
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.lifecycle.tenant_import import services
from onboarding.lifecycle.tenant_import.columns import tenant_table
from onboarding.lifecycle.tenant_import.tasks import queue_tenant_import
from onboarding.models import TenantImport
from onboarding.plans.tenant_page import current_user, show
from onboarding.requirements import import_stages
from onboarding.requirements.forms import ImportForm
from tenants import database_time
from tenants.access import require
from tenants.permissions import Permission, may, staff_role_of
from tenants.throttle import throttled

_EXAMPLE = {
    "company": "Client Ltd",
    "domains": "client.example; client.test",
    "region": "Germany",
    "platform": "Microsoft 365",
    "directory_method": "Entra ID (Azure AD)",
    "time_zone": "Europe/Berlin",
    "delivery_hosts": "mail.client.example:25",
    "contact_role": "DNS owner",
    "contact_name": "Di Gennes",
    "contact_email": "di@client.example",
}


@require(Permission.CREATE_TENANT)
@require_http_methods(["GET", "POST"])
@throttled("tenant-import", "60/h")
def tenant_import(request: HttpRequest) -> HttpResponse:
    """Upload a file or paste rows. No tenant exists before the confirmation."""
    data = request.POST if request.method == "POST" else None
    form = ImportForm(data, request.FILES or None, was_too_large=was_too_large(request))
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            job = services.create_import(
                name=form.cleaned_data["name"],
                content=form.cleaned_data["content"],
                by=current_user(request),
            )
            queue_tenant_import(job)
            return redirect("onboarding:tenant-import-show", tenant_import_id=job.public_id)
    role = staff_role_of(current_user(request))
    context = {
        "form": form,
        "columns": tenant_table().columns,
        "may_import_archives": may(role, Permission.IMPORT_ARCHIVES),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "lifecycle/tenant_import.html", context, status=status)


@require(Permission.CREATE_TENANT)
@require_GET
def tenant_import_show(request: HttpRequest, tenant_import_id: str) -> HttpResponse:
    job = get_object_or_404(TenantImport, public_id=tenant_import_id)
    context = {"import": job, "is_stalled": import_stages.is_stalled(job, now=database_time.now())}
    return show(request, "lifecycle/tenant_import_show.html", "preview", context)


@require(Permission.CREATE_TENANT)
@require_POST
def tenant_import_confirm(request: HttpRequest, tenant_import_id: str) -> HttpResponse:
    job = get_object_or_404(TenantImport, public_id=tenant_import_id)
    with errors_as_message(request):
        services.confirm_import(job)
        queue_tenant_import(job)
    return redirect("onboarding:tenant-import-show", tenant_import_id=tenant_import_id)


@require(Permission.CREATE_TENANT)
@require_POST
def tenant_import_discard(request: HttpRequest, tenant_import_id: str) -> HttpResponse:
    if services.discard_import(get_object_or_404(TenantImport, public_id=tenant_import_id)):
        messages.info(request, "The import was discarded.")
        return redirect("onboarding:tenant-list")
    messages.error(request, services.NOT_DISCARDED)
    return redirect("onboarding:tenant-import-show", tenant_import_id=tenant_import_id)


@require(Permission.CREATE_TENANT)
@require_GET
def example(request: HttpRequest) -> HttpResponse:
    """A CSV file with all columns and one company."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = tenant_table().columns
    writer.writerow([column.label for column in columns])
    writer.writerow([_EXAMPLE.get(column.name, "") for column in columns])
    return HttpResponse(
        text.getvalue().encode("utf-8-sig"),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="tenants.csv"'},
    )
