"""Requirements sheets: reading them, row by row, signing them off, and taking them away."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.errors import NotYours, OnboardingError
from onboarding.forms.sheets import RowForm
from onboarding.models import Comment, Sheet, SheetImport, SheetRow
from onboarding.plans.task_acts import side_of_role
from onboarding.sheets import exporting, keeping, reading, signing
from onboarding.sheets.entries import read_entry
from onboarding.sheets.keeping import AlreadyThere, ChangedMeanwhile
from onboarding.talk import comments_of
from onboarding.views.shared import show, signed_in
from tenants.access import act, seat_or_404, tenant_or_404
from tenants.permissions import Act
from tenants.throttle import throttled

# A person types; a program that fills a sheet row by row should import a file.
ROWS = "1200/h"


def load_sheet(request: HttpRequest, public_id: str, sheet_id: str) -> Sheet:
    tenant = tenant_or_404(request, public_id)
    return get_object_or_404(reading.sheets_of(tenant), public_id=sheet_id)


def frame(request: HttpRequest, sheet: Sheet) -> dict[str, Any]:
    """What every page and fragment of a sheet needs."""
    tenant = sheet.task.plan.tenant
    seat = seat_or_404(request, tenant.public_id)
    side = side_of_role(seat.role, is_closed=tenant.is_closed)
    return {
        "tenant": tenant,
        # What the bar above every page asks for.
        "page": {"tenant": tenant},
        "tab": "requirements",
        "sheet": sheet,
        "kind": signing.kind_of(sheet),
        "side": side,
        "may_fill": seat.may(Act.FILL_SHEETS),
        "may_talk": seat.may(Act.TALK),
        "counts": bool(side) and signing.counts_for(sheet, side),
        "has_signed": side in sheet.signed_sides,
    }


def _form(sheet: Sheet, *args: Any, row: SheetRow | None = None) -> RowForm:
    initial = {**row.values, "version": row.version} if row is not None else None
    return RowForm(
        *args,
        kind=signing.kind_of(sheet),
        around=keeping.surroundings(sheet.task.plan.tenant),
        asked=row.key if row is not None else "",
        initial=initial,
        auto_id=f"id_{row.public_id if row is not None else 'new'}_%s",
    )


def _page(request: HttpRequest, sheet: Sheet, **more: Any) -> dict[str, Any]:
    wanted = request.GET.get("q", "").strip()[:100]
    found = reading.rows_page(sheet, wanted=wanted, number=request.GET.get("page", ""))
    under_way = SheetImport.objects.filter(sheet=sheet, state__in=("reading", "importing"))
    return {
        **frame(request, sheet),
        "found": found,
        "lines": [reading.line_of(sheet, row) for row in found],
        "wanted": wanted,
        "query": urlencode({"q": wanted}) if wanted else "",
        "suggestions": reading.suggestions_for(sheet),
        "under_way": under_way.defer("content").first(),
        "comments": _comments(request, sheet),
        **more,
    }


def _comments(request: HttpRequest, sheet: Sheet) -> list[Comment]:
    seat = seat_or_404(request, sheet.task.plan.tenant.public_id)
    is_staff = seat.role is not None and seat.role.is_staff
    return list(comments_of(sheet.task.plan, is_staff=is_staff).filter(task=sheet.task))


def to_sheet(sheet: Sheet, fragment: str = "") -> HttpResponse:
    tenant_id = sheet.task.plan.tenant.public_id
    response = redirect("onboarding:sheet-show", public_id=tenant_id, sheet_id=sheet.public_id)
    response["Location"] += fragment
    return response


@act(Act.READ)
@require_GET
def sheet_show(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    context = _page(request, sheet, form=_form(sheet))
    return show(request, "onboarding/sheet_show.html", "rows", context)


@act(Act.FILL_SHEETS)
@require_POST
@throttled("sheet-row", ROWS)
def sheet_row_add(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    form = _form(sheet, request.POST)
    if form.is_valid() and form.entry is not None:
        try:
            keeping.add_row(sheet, form.entry, by=signed_in(request))
        except OnboardingError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The row was added at the end.")
            return to_sheet(sheet)
    context = _page(request, sheet, form=form)
    return render(request, "onboarding/sheet_show.html", context, status=422)


@act(Act.FILL_SHEETS)
@require_http_methods(["GET", "POST"])
@throttled("sheet-row", ROWS)
def sheet_row(request: HttpRequest, public_id: str, sheet_id: str, row_id: str) -> HttpResponse:
    """One row's editor, in its place on the page or on a page of its own."""
    sheet = load_sheet(request, public_id, sheet_id)
    rows = SheetRow.objects.filter(sheet=sheet).select_related("changed_by")
    row = rows.filter(public_id=row_id).first()
    if request.method == "POST":
        return _save(request, sheet, row_id, row)
    if row is None:
        raise Http404("No such row.")
    if "line" in request.GET:
        return _line(request, sheet, row)
    return _editor(request, sheet, row, _form(sheet, row=row))


def _save(request: HttpRequest, sheet: Sheet, row_id: str, row: SheetRow | None) -> HttpResponse:
    form = _form(sheet, request.POST, row=row)
    if not form.is_valid() or form.entry is None:
        return _editor(request, sheet, row, form)
    try:
        changed = keeping.change_row(
            sheet, row_id, form.entry, version=form.seen_version, by=signed_in(request)
        )
    except ChangedMeanwhile as error:
        form.show_anew(error.row.version if error.row is not None else 0)
        return _editor(request, sheet, error.row, form, conflict=str(error))
    except AlreadyThere as error:
        form.add_error(None, str(error))
        return _editor(request, sheet, row, form)
    return _line(
        request, load_sheet(request, sheet.task.plan.tenant.public_id, sheet.public_id), changed
    )


def _line(request: HttpRequest, sheet: Sheet, row: SheetRow) -> HttpResponse:
    """The row as it stands, in its place; without script, the sheet."""
    if not getattr(request, "htmx", False):
        return to_sheet(sheet, f"#row-{row.public_id}")
    context = {**frame(request, sheet), "line": reading.line_of(sheet, row), "is_fresh": True}
    return render(request, "onboarding/sheet_row.html#line", context)


def _editor(
    request: HttpRequest, sheet: Sheet, row: SheetRow | None, form: RowForm, conflict: str = ""
) -> HttpResponse:
    """The form with what was typed. Beside it, after somebody else's change, what stands there."""
    theirs = reading.line_of(sheet, row) if row is not None and conflict else None
    context = {
        **frame(request, sheet),
        "form": form,
        "row": row,
        "conflict": conflict,
        "theirs": theirs,
    }
    response = show(request, "onboarding/sheet_row.html", "editor", context)
    # htmx leaves out what does not answer 200.
    if request.method == "POST" and not getattr(request, "htmx", False):
        response.status_code = 422
    return response


@act(Act.FILL_SHEETS)
@require_POST
def sheet_row_remove(
    request: HttpRequest, public_id: str, sheet_id: str, row_id: str
) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    version = request.POST.get("version", "")
    try:
        keeping.remove_row(
            sheet,
            row_id,
            version=int(version) if version.isascii() and version.isdigit() else 0,
            by=signed_in(request),
        )
    except ChangedMeanwhile as error:
        messages.error(request, f"{error} It was not removed: look at it again.")
    except OnboardingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The row was removed.")
    return to_sheet(sheet)


# --- Signing off


@act(Act.FILL_SHEETS)
@require_POST
def sheet_sign(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    seen = request.POST.get("revision", "")
    side = frame(request, sheet)["side"]
    try:
        signing.sign_off(
            sheet,
            by=signed_in(request),
            side=side,
            seen_revision=int(seen) if seen.isascii() and seen.isdigit() else -1,
        )
    except NotYours as error:
        raise PermissionDenied(str(error)) from error
    except OnboardingError as error:
        messages.error(request, str(error))
    return to_sheet(sheet)


@act(Act.FILL_SHEETS)
@require_POST
def sheet_unsign(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    try:
        signing.withdraw(sheet, by=signed_in(request), side=frame(request, sheet)["side"])
    except NotYours as error:
        raise PermissionDenied(str(error)) from error
    except OnboardingError as error:
        messages.error(request, str(error))
    return to_sheet(sheet)


@act(Act.FILL_SHEETS)
@require_POST
def sheet_suggestion_use(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """Make a row of what a domain's SPF record says, because a person wants it."""
    sheet = load_sheet(request, public_id, sheet_id)
    wanted = request.POST.get("suggestion", "")
    found = (each for each in reading.suggestions_for(sheet) if each.mark == wanted and each.row)
    suggestion = next(found, None)
    if suggestion is None or suggestion.row is None:
        messages.error(request, "That is no longer suggested. Nothing was added.")
        return to_sheet(sheet)
    around = keeping.surroundings(sheet.task.plan.tenant)
    entry = read_entry(signing.kind_of(sheet), suggestion.row, around)
    try:
        if entry.problems:
            raise OnboardingError(" ".join(entry.problems.values()))
        keeping.add_row(sheet, entry, by=signed_in(request))
    except OnboardingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "It was added. Say in the note what this service sends.")
    return to_sheet(sheet)


# --- Taking it away


@act(Act.READ)
@require_GET
@throttled("sheet-export", "120/h", methods=("GET",))
def sheet_export(request: HttpRequest, public_id: str, sheet_id: str) -> StreamingHttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    ending = "xlsx" if request.GET.get("as") == "xlsx" else "csv"
    is_whole = request.GET.get("of") == "whole"
    make = exporting.xlsx_in_pieces if ending == "xlsx" else exporting.csv_in_pieces
    kind = exporting.XLSX_TYPE if ending == "xlsx" else exporting.CSV_TYPE
    response = StreamingHttpResponse(make(sheet, is_whole=is_whole), content_type=kind)
    name = exporting.file_name(sheet, is_whole=is_whole, ending=ending)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
