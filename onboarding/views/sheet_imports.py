"""Importing into a sheet: paste or upload, read the preview, and only then say yes."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.errors import OnboardingError
from onboarding.forms.sheets import ImportForm
from onboarding.models import Sheet, SheetImport
from onboarding.sheets import importing
from onboarding.sheets.import_progress import is_lost, progress_of
from onboarding.tasks import import_soon
from onboarding.uploads import was_too_large
from onboarding.views.shared import show, signed_in
from onboarding.views.sheets import frame, load_sheet, to_sheet
from tenants.access import act
from tenants.permissions import Act
from tenants.throttle import throttled


def _load(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> tuple[Sheet, SheetImport]:
    sheet = load_sheet(request, public_id, sheet_id)
    kept = get_object_or_404(
        SheetImport.objects.select_related("sheet__task__plan__tenant", "made_by"),
        sheet=sheet,
        public_id=import_id,
    )
    return sheet, kept


def _to_import(public_id: str, kept: SheetImport) -> HttpResponse:
    return redirect(
        "onboarding:sheet-import-show",
        public_id=public_id,
        sheet_id=kept.sheet.public_id,
        import_id=kept.public_id,
    )


@act(Act.FILL_SHEETS)
@require_http_methods(["GET", "POST"])
@throttled("sheet-import", "120/h")
def sheet_import(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """The box and the file; whatever is shown there is read first, and nothing is changed."""
    sheet = load_sheet(request, public_id, sheet_id)
    again = importing.pasted_text(sheet, request.GET.get("again", ""), by=signed_in(request))
    form = ImportForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        was_too_large=was_too_large(request),
        initial={"pasted": again},
    )
    if request.method == "POST" and form.is_valid():
        try:
            kept = importing.begin_import(
                sheet,
                name=form.cleaned_data["name"],
                content=form.cleaned_data["content"],
                by=signed_in(request),
            )
        except OnboardingError as error:
            form.add_error(None, str(error))
        else:
            import_soon(kept)
            return _to_import(public_id, kept)
    status = 422 if request.method == "POST" else 200
    context = {**frame(request, sheet), "form": form}
    return render(request, "onboarding/sheet_import.html", context, status=status)


@act(Act.FILL_SHEETS)
@require_GET
def sheet_import_show(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> HttpResponse:
    """How far it is, or what it would change, or what it changed."""
    sheet, kept = _load(request, public_id, sheet_id, import_id)
    context = {
        **frame(request, sheet),
        "import": kept,
        "progress": progress_of(kept),
        "is_lost": is_lost(kept, now=timezone.now()),
        "duplicates": SheetImport.Duplicates.choices,
    }
    return show(request, "onboarding/sheet_preview.html", "preview", context)


@act(Act.FILL_SHEETS)
@require_POST
def sheet_import_confirm(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> HttpResponse:
    _, kept = _load(request, public_id, sheet_id, import_id)
    chosen = request.POST.get("duplicates", "")
    try:
        if chosen not in SheetImport.Duplicates.values:
            raise OnboardingError("Say what is to be done with entries that differ.")
        importing.confirm_import(kept, duplicates=chosen, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    else:
        import_soon(kept)
    return _to_import(public_id, kept)


@act(Act.FILL_SHEETS)
@require_POST
def sheet_import_drop(
    request: HttpRequest, public_id: str, sheet_id: str, import_id: str
) -> HttpResponse:
    sheet, kept = _load(request, public_id, sheet_id, import_id)
    if importing.drop_import(kept, now=timezone.now()):
        messages.info(request, "The import was dropped. Nothing of the sheet was changed by it.")
    else:
        messages.error(request, "It is being imported, or was already. It was not dropped.")
    return to_sheet(sheet)
