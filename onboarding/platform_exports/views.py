"""The page of an export of the mail platform: its script, the upload and the results."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from checks.engine.sources.rules import ProofSource
from checks.source_expectations import organisation_domain
from checks.submitted_exports import EXPORT_LIMIT, sources_of
from onboarding.collaboration.uploads import was_too_large
from onboarding.plans.tenant_page import TenantPage, current_user, load_page, show
from onboarding.platform_exports.forms import ExportForm
from onboarding.platform_exports.queries import source_state
from onboarding.platform_exports.services import submit_platform_export
from onboarding.platform_exports.tasks import read_export
from tenants import database_time
from tenants.access import require
from tenants.permissions import Permission
from tenants.throttle import throttled


def _load(request: HttpRequest, public_id: str, source_name: str) -> tuple[TenantPage, ProofSource]:
    page = load_page(request, public_id)
    for source in sources_of(page.tenant):
        if source.key == source_name:
            return page, source
    raise Http404("No such source for this mail platform.")


def _script(page: TenantPage, source: ProofSource) -> str:
    named = organisation_domain(page.domains)
    return source.script(named.name if named is not None else "your organisation")


def _context(page: TenantPage, source: ProofSource, form: ExportForm) -> dict[str, Any]:
    return {
        "page": page,
        "tab": "domains",
        "form": form,
        "source": source_state(page, source, now=database_time.now()),
        "script": _script(page, source),
        "may_submit": page.access.may(Permission.RUN_CHECKS),
    }


@require(Permission.VIEW)
@require_GET
def export_show(request: HttpRequest, public_id: str, source_name: str) -> HttpResponse:
    page, source = _load(request, public_id, source_name)
    context = _context(page, source, ExportForm())
    return show(request, "platform_exports/export_show.html", "export-state", context)


@require(Permission.VIEW)
@require_GET
def export_script(request: HttpRequest, public_id: str, source_name: str) -> HttpResponse:
    """Download the script. It contains no secret, and the name of one domain only."""
    page, source = _load(request, public_id, source_name)
    response = HttpResponse(_script(page, source), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{source.script_name}"'
    return response


@require(Permission.RUN_CHECKS)
@require_POST
@throttled(*EXPORT_LIMIT)
def export_submit(request: HttpRequest, public_id: str, source_name: str) -> HttpResponse:
    page, source = _load(request, public_id, source_name)
    form = ExportForm(request.POST, request.FILES, was_too_large=was_too_large(request))
    if not form.is_valid():
        context = _context(page, source, form)
        return render(request, "platform_exports/export_show.html", context, status=422)
    submit_platform_export(
        page.plan, source, form.cleaned_data["content"], by=current_user(request), task=read_export
    )
    return redirect("onboarding:platform-export", public_id=public_id, source_name=source_name)
