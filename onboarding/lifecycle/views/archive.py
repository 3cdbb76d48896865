"""Pages of archives: request and download one, import one, and start an imported tenant."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.collaboration.uploads import receives_archives, was_too_large
from onboarding.collaboration.views.files import send_file
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.lifecycle import exports
from onboarding.lifecycle.archive import imports, starting
from onboarding.lifecycle.archive.tasks import queue_archive_import
from onboarding.lifecycle.forms.archive import ArchiveForm
from onboarding.lifecycle.tasks import queue_export
from onboarding.models import ArchiveImport, TenantExport
from onboarding.plans.tenant_page import current_user, show
from tenants import database_time
from tenants.access import require, tenant_or_404
from tenants.permissions import Permission
from tenants.throttle import throttled

ARCHIVE = TenantExport.Format.ARCHIVE


@require(Permission.ARCHIVE_TENANT)
@require_POST
@throttled("export", "10/h")
def archive_request(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    by = current_user(request)
    queue_export(exports.request_export(tenant, by=by, file_format=ARCHIVE))
    messages.success(request, "Gangway builds the archive. It appears here when it is ready.")
    return redirect("onboarding:offboarding", public_id=public_id)


@require(Permission.ARCHIVE_TENANT)
@require_GET
def archive_show(request: HttpRequest, public_id: str, archive_id: str) -> HttpResponseBase:
    tenant = tenant_or_404(request, public_id)
    ready = TenantExport.objects.filter(ready_at__isnull=False, format=ARCHIVE)
    archive = get_object_or_404(ready, tenant=tenant, public_id=archive_id)
    exports.log_download(archive, by=current_user(request))
    name = f"gangway-{slugify(tenant.name) or 'tenant'}.json"
    # No program should parse the whole file: it can have a gigabyte.
    return send_file(archive.stored_as, name=name, content_type="application/octet-stream")


@require(Permission.CLOSE_TENANT)
@require_POST
def checks_start(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    with errors_as_message(request):
        starting.start_checks(tenant, by=current_user(request))
        messages.success(request, "The checks are running.")
    return redirect("onboarding:offboarding", public_id=public_id)


@require(Permission.IMPORT_ARCHIVES)
@require_http_methods(["GET", "POST"])
@throttled("archive-import", "20/h")
@receives_archives
def archive_import(request: HttpRequest) -> HttpResponse:
    """Upload an archive. No tenant exists before the confirmation."""
    data = request.POST if request.method == "POST" else None
    form = ArchiveForm(data, request.FILES or None, was_too_large=was_too_large(request))
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            file = form.cleaned_data["file"]
            job = imports.create_import(name=file.name, file=file, by=current_user(request))
            queue_archive_import(job)
            return redirect("onboarding:archive-import-show", archive_import_id=job.public_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "lifecycle/archive_import.html", {"form": form}, status=status)


@require(Permission.IMPORT_ARCHIVES)
@require_GET
def archive_import_show(request: HttpRequest, archive_import_id: str) -> HttpResponse:
    job = _load(archive_import_id)
    context = {"import": job, "is_stalled": imports.is_stalled(job, now=database_time.now())}
    return show(request, "lifecycle/archive_import_show.html", "preview", context)


@require(Permission.IMPORT_ARCHIVES)
@require_POST
def archive_import_confirm(request: HttpRequest, archive_import_id: str) -> HttpResponse:
    job = _load(archive_import_id)
    with errors_as_message(request):
        imports.confirm_import(job)
        queue_archive_import(job)
    return redirect("onboarding:archive-import-show", archive_import_id=archive_import_id)


@require(Permission.IMPORT_ARCHIVES)
@require_POST
def archive_import_discard(request: HttpRequest, archive_import_id: str) -> HttpResponse:
    if imports.discard_import(_load(archive_import_id)):
        messages.info(request, "The import was discarded.")
        return redirect("onboarding:tenant-list")
    messages.error(request, imports.NOT_DISCARDED)
    return redirect("onboarding:archive-import-show", archive_import_id=archive_import_id)


def _load(archive_import_id: str) -> ArchiveImport:
    rows = ArchiveImport.objects.select_related("tenant", "created_by")
    return get_object_or_404(rows, public_id=archive_import_id)
