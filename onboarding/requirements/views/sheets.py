"""Pages of a requirements sheet: its rows, sign-offs, suggestions and exports."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding.collaboration.comments import comments_of
from onboarding.error_responses import catch_errors, errors_as_message, errors_on_form
from onboarding.models import Comment, RequirementsSheet, SheetImport, SheetRow
from onboarding.plans.recipients import side_of_role
from onboarding.plans.tenant_page import current_user, show
from onboarding.requirements import (
    delivery_hosts,
    exports,
    host_sheets,
    partner_checks,
    prefill,
    queries,
    services,
    sign_off,
    suggestions,
)
from onboarding.requirements.forms import RowForm, SheetSignOffForm
from onboarding.requirements.services import RowConflict
from onboarding.requirements.sign_off import SignOffReasonMissing
from onboarding.requirements.tasks import queue_partner_tests
from tenants.access import access_or_404, require, tenant_or_404
from tenants.permissions import Permission
from tenants.throttle import throttled

# Enough for a person who types. A program should import a file.
ROW_RATE = "1200/h"


def load_sheet(request: HttpRequest, public_id: str, sheet_id: str) -> RequirementsSheet:
    tenant = tenant_or_404(request, public_id)
    return get_object_or_404(queries.sheets_of(tenant), public_id=sheet_id)


def sheet_context(request: HttpRequest, sheet: RequirementsSheet) -> dict[str, Any]:
    """The context of every page and fragment of a sheet."""
    tenant = sheet.task.plan.tenant
    access = access_or_404(request, tenant.public_id)
    side = side_of_role(access.role, is_closed=tenant.is_closed)
    return {
        "tenant": tenant,
        # The navigation bar of every page needs it.
        "page": {"tenant": tenant},
        "tab": "requirements",
        "sheet": sheet,
        "kind": sign_off.definition_of(sheet),
        "side": side,
        "may_edit": access.may(Permission.EDIT_REQUIREMENTS),
        "may_edit_profile": access.may(Permission.EDIT_PROFILE),
        "may_comment": access.may(Permission.COMMENT),
        "counts": bool(side) and sign_off.counts_for(sheet, side),
        "has_signed": side in sheet.signed_sides,
        "unanswered": sign_off.unanswered_questions(sheet),
        "sign_off_form": SheetSignOffForm(auto_id="id_sign_off_%s"),
    }


def _form(sheet: RequirementsSheet, *args: Any, row: SheetRow | None = None) -> RowForm:
    initial = {**row.values, "version": row.version} if row is not None else None
    return RowForm(
        *args,
        kind=sign_off.definition_of(sheet),
        validation_context=services.validation_context_of(sheet.task.plan.tenant),
        question_key=row.key if row is not None else "",
        initial=initial,
        auto_id=f"id_{row.public_id if row is not None else 'new'}_%s",
    )


def _page(request: HttpRequest, sheet: RequirementsSheet, **more: Any) -> dict[str, Any]:
    wanted = request.GET.get("q", "").strip()[:100]
    found = queries.rows_page(sheet, wanted=wanted, number=request.GET.get("page", ""))
    import_in_progress = SheetImport.objects.filter(
        sheet=sheet, status__in=("reading", "importing")
    )
    sizes = queries.known_spf_sizes(sheet)
    partners = partner_checks.partner_displays(sheet, list(found))
    return {
        **sheet_context(request, sheet),
        "found": found,
        "lines": [queries.display_of(sheet, row, sizes, partners) for row in found],
        "tests_partners": partner_checks.is_partner_sheet(sheet),
        "wanted": wanted,
        "query": urlencode({"q": wanted}) if wanted else "",
        "suggestions": queries.sender_suggestions(sheet),
        "host_differences": delivery_hosts.host_differences(sheet),
        "open_answers": prefill.open_answers(sheet),
        "import_in_progress": import_in_progress.defer("content").first(),
        "comments": _comments(request, sheet),
        **more,
    }


def _comments(request: HttpRequest, sheet: RequirementsSheet) -> list[Comment]:
    access = access_or_404(request, sheet.task.plan.tenant.public_id)
    is_staff = access.role is not None and access.role.is_staff
    return list(comments_of(sheet.task.plan, is_staff=is_staff).filter(task=sheet.task))


def redirect_to_sheet(sheet: RequirementsSheet, fragment: str = "") -> HttpResponse:
    tenant_id = sheet.task.plan.tenant.public_id
    response = redirect(
        "onboarding:requirements-sheet", public_id=tenant_id, sheet_id=sheet.public_id
    )
    response["Location"] += fragment
    return response


@require(Permission.VIEW)
@require_GET
def sheet_show(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    context = _page(request, sheet, form=_form(sheet))
    return show(request, "requirements/sheet_show.html", "rows", context)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
@throttled("requirements-row", ROW_RATE)
def sheet_row_add(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    form = _form(sheet, request.POST)
    if form.is_valid() and form.entry is not None:
        with errors_on_form(form):
            services.add_row(sheet, form.entry, by=current_user(request))
            queue_partner_tests(sheet)
            messages.success(request, "The row was added at the end.")
            return redirect_to_sheet(sheet)
    context = _page(request, sheet, form=form)
    return render(request, "requirements/sheet_show.html", context, status=422)


@require(Permission.EDIT_REQUIREMENTS)
@require_http_methods(["GET", "POST"])
@throttled("requirements-row", ROW_RATE)
def sheet_row(request: HttpRequest, public_id: str, sheet_id: str, row_id: str) -> HttpResponse:
    """The editor of one row, as a fragment or as a page."""
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


def _save(
    request: HttpRequest, sheet: RequirementsSheet, row_id: str, row: SheetRow | None
) -> HttpResponse:
    form = _form(sheet, request.POST, row=row)
    if not form.is_valid() or form.entry is None:
        return _editor(request, sheet, row, form)
    with catch_errors() as attempt:
        changed = services.change_row(
            sheet, row_id, form.entry, version=form.expected_version, by=current_user(request)
        )
        queue_partner_tests(sheet)
        sheet = load_sheet(request, sheet.task.plan.tenant.public_id, sheet.public_id)
        return _line(request, sheet, changed)
    error = attempt.error
    if isinstance(error, RowConflict):
        form.show_conflict(error.row.version if error.row is not None else 0)
        return _editor(request, sheet, error.row, form, conflict=str(error))
    form.add_error(None, str(error))
    return _editor(request, sheet, row, form)


def _line(request: HttpRequest, sheet: RequirementsSheet, row: SheetRow) -> HttpResponse:
    """The current row as a fragment; without JavaScript, the sheet."""
    if not getattr(request, "htmx", False):
        return redirect_to_sheet(sheet, f"#row-{row.public_id}")
    context = {
        **sheet_context(request, sheet),
        "line": queries.display_of(sheet, row),
        "is_fresh": True,
    }
    return render(request, "requirements/row_edit.html#line", context)


def _editor(
    request: HttpRequest,
    sheet: RequirementsSheet,
    row: SheetRow | None,
    form: RowForm,
    conflict: str = "",
) -> HttpResponse:
    """The form with the typed values and, after a conflict, the current row."""
    current_row = queries.display_of(sheet, row) if row is not None and conflict else None
    context = {
        **sheet_context(request, sheet),
        "form": form,
        "row": row,
        "conflict": conflict,
        "current_row": current_row,
    }
    response = show(request, "requirements/row_edit.html", "editor", context)
    # htmx swaps in only responses with status 200.
    if request.method == "POST" and not getattr(request, "htmx", False):
        response.status_code = 422
    return response


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_row_remove(
    request: HttpRequest, public_id: str, sheet_id: str, row_id: str
) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    version = request.POST.get("version", "")
    with catch_errors() as attempt:
        services.remove_row(
            sheet,
            row_id,
            version=int(version) if version.isascii() and version.isdigit() else 0,
            by=current_user(request),
        )
        messages.success(request, "The row was removed.")
    if isinstance(attempt.error, RowConflict):
        messages.error(request, f"{attempt.error} It was not removed. Check it again.")
    elif attempt.error is not None:
        messages.error(request, str(attempt.error))
    return redirect_to_sheet(sheet)


# --- Signing off


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_sign(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    form = SheetSignOffForm(request.POST, auto_id="id_sign_off_%s")
    seen = request.POST.get("revision", "")
    side = sheet_context(request, sheet)["side"]
    if form.is_valid():
        with catch_errors() as attempt:
            sign_off.sign_off(
                sheet,
                by=current_user(request),
                side=side,
                expected_revision=int(seen) if seen.isascii() and seen.isdigit() else -1,
                reason=form.cleaned_data["reason"],
            )
        if attempt.error is None:
            return redirect_to_sheet(sheet)
        field = "reason" if isinstance(attempt.error, SignOffReasonMissing) else None
        form.add_error(field, str(attempt.error))
    context = _page(request, sheet, form=_form(sheet), sign_off_form=form)
    return render(request, "requirements/sheet_show.html", context, status=422)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_unsign(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    with errors_as_message(request):
        sign_off.withdraw_sign_off(
            sheet, by=current_user(request), side=sheet_context(request, sheet)["side"]
        )
        host_sheets.sync_host_sheets(sheet.task.plan)
    return redirect_to_sheet(sheet)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_suggestion_use(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """Add a suggested sender as a row; without a suggestion, all that can be added."""
    sheet = load_sheet(request, public_id, sheet_id)
    wanted = request.POST.get("suggestion", "")
    with errors_as_message(request):
        added = suggestions.use_suggestions(sheet, wanted, by=current_user(request))
        senders = "The sender was" if added == 1 else f"{added} senders were"
        messages.success(request, f"{senders} added. State in the note what the service sends.")
    return redirect_to_sheet(sheet)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_host_use(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """Add a delivery host of the profile to the sheet of delivery routes."""
    sheet = load_sheet(request, public_id, sheet_id)
    with errors_as_message(request):
        added = delivery_hosts.add_routes_to(
            sheet, request.POST.get("host", ""), by=current_user(request)
        )
        rows = "1 row was" if added == 1 else f"{added} rows were"
        messages.success(request, f"{rows} added. Check them before you sign off.")
    return redirect_to_sheet(sheet)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
def sheet_answer_use(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """Store one answer that Gangway knows; without a question, those of all unanswered ones."""
    sheet = load_sheet(request, public_id, sheet_id)
    key = request.POST.get("question", "")
    with errors_as_message(request):
        used = prefill.use_known_answers(sheet, key, by=current_user(request))
        stored = "1 answer was" if used == 1 else f"{used} answers were"
        messages.success(request, f"{stored} stored. Check them before you sign off.")
    return redirect_to_sheet(sheet)


@require(Permission.EDIT_REQUIREMENTS)
@require_POST
@throttled("tls-partners", "60/h")
def sheet_partners_test(request: HttpRequest, public_id: str, sheet_id: str) -> HttpResponse:
    """Request tests of the TLS partners."""
    sheet = load_sheet(request, public_id, sheet_id)
    requested = queue_partner_tests(sheet)
    if requested:
        partners = "1 partner" if requested == 1 else f"{requested} partners"
        messages.success(request, f"Gangway tests {partners} now. Reload the page in a minute.")
    else:
        messages.info(request, "Gangway tests each partner once in 24 hours. None is due now.")
    return redirect_to_sheet(sheet)


# --- Export


@require(Permission.VIEW)
@require_GET
@throttled("requirements-export", "120/h", methods=("GET",))
def sheet_export(request: HttpRequest, public_id: str, sheet_id: str) -> StreamingHttpResponse:
    sheet = load_sheet(request, public_id, sheet_id)
    ending = "xlsx" if request.GET.get("format") == "xlsx" else "csv"
    is_full = request.GET.get("columns") == "all"
    make = exports.stream_xlsx if ending == "xlsx" else exports.stream_csv
    kind = exports.XLSX_TYPE if ending == "xlsx" else exports.CSV_TYPE
    response = StreamingHttpResponse(make(sheet, is_full=is_full), content_type=kind)
    name = exports.file_name(sheet, is_full=is_full, ending=ending)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
