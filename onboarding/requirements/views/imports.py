"""Pages of an import: paste or upload, preview, confirm."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.collaboration.uploads import was_too_large
from onboarding.error_responses import errors_as_message, errors_on_form
from onboarding.models import RequirementsSheet, SheetImport
from onboarding.plans.tenant_page import current_user, show
from onboarding.requirements import imports
from onboarding.requirements.forms import ImportForm
from onboarding.requirements.import_progress import is_stalled, progress_of
from onboarding.requirements.tasks import begin_import, start_import
from onboarding.requirements.views.sheets import load_sheet, redirect_to_sheet, sheet_context
from tenants import database_time
from tenants.access import require
from tenants.permissions import Permission
from tenants.throttle import throttled


def _load(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> tuple[RequirementsSheet, SheetImport]:
    sheet = load_sheet(request, public_id, sheet_id)
    job = get_object_or_404(
        SheetImport.objects.select_related("sheet__task__plan__tenant", "created_by"),
        sheet=sheet,
        public_id=import_id,
    )
    return sheet, job


def _to_import(public_id: str, job: SheetImport) -> HttpResponse:
    return redirect(
        "onboarding:requirements-import-show",
        public_id=public_id,
        sheet_id=job.sheet.public_id,
        import_id=job.public_id,
    )


@require(Permission.EDIT_REQUIREMENTS)
@require_http_methods(["GET", "POST"])
@throttled("requirements-import", "120/h")
def sheet_import(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """Upload a file or paste rows. The sheet does not change before the confirmation."""
    sheet = load_sheet(request, public_id, sheet_id)
    form = ImportForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        was_too_large=was_too_large(request),
    )
    earlier = imports.own_import(sheet, request.GET.get("retry", ""), by=current_user(request))
    if request.method == "GET" and earlier is not None:
        form = ImportForm.for_correction(earlier)
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            job = begin_import(
                sheet,
                name=form.cleaned_data["name"],
                content=form.cleaned_data["content"],
                by=current_user(request),
            )
            if job.status != SheetImport.Status.FAILED:
                return _to_import(public_id, job)
            form.add_error(form.filled_field, job.error)
    status = 422 if request.method == "POST" else 200
    context = {**sheet_context(request, sheet), "form": form}
    return render(request, "requirements/import_create.html", context, status=status)


def _redirect_page(request: HttpRequest, address: str) -> HttpResponse:
    """Redirect the whole page, also when htmx requested a part of it."""
    if getattr(request, "htmx", False):
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


@require(Permission.EDIT_REQUIREMENTS)
@require_GET
def sheet_import_show(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> HttpResponse:
    """The progress, the preview or the result of an import."""
    sheet, job = _load(request, public_id, sheet_id, import_id)
    if job.status == SheetImport.Status.FAILED and job.created_by == request.user:
        address = reverse("onboarding:requirements-import", args=[public_id, sheet_id])
        return _redirect_page(request, f"{address}?retry={import_id}")
    context = {
        **sheet_context(request, sheet),
        "import": job,
        "progress": progress_of(job),
        "is_stalled": is_stalled(job, now=database_time.now()),
        "duplicates": SheetImport.Duplicates.choices,
    }
    return show(request, "requirements/import_preview.html", "preview", context)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_import_confirm(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> HttpResponse:
    _, job = _load(request, public_id, sheet_id, import_id)
    chosen = request.POST.get("duplicates", "")
    with errors_as_message(request):
        imports.confirm_import(job, duplicates=chosen, by=current_user(request))
        start_import(job)
    return _to_import(public_id, job)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_import_discard(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> HttpResponse:
    sheet, job = _load(request, public_id, sheet_id, import_id)
    if imports.discard_import(job, now=database_time.now()):
        messages.info(request, "The import was discarded. The sheet is unchanged.")
    else:
        messages.error(request, imports.NOT_DISCARDED)
    return redirect_to_sheet(sheet)
