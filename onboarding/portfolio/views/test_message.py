"""The pages of test messages and received messages: submit one, and see the result of its check."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import CheckKind
from checks.models import Check
from checks.queries import tested_routes
from checks.submitted_messages import MESSAGE_LIMIT, latest_messages
from onboarding.collaboration.uploads import was_too_large
from onboarding.plans.forms.submitted_messages import MessageForm, states_platform
from onboarding.plans.submitted_messages import submit_form
from onboarding.plans.tenant_page import TenantPage, current_user, load_page, show
from tenants.access import require
from tenants.models import Host
from tenants.permissions import Permission
from tenants.throttle import throttled


def _load(request: HttpRequest, public_id: str, check_id: str) -> tuple[TenantPage, Check]:
    page = load_page(request, public_id)
    for check in page.plan_context.checks:
        if check.public_id == check_id and check.needs_message:
            return page, check
    raise Http404("No such check.")


def _context(page: TenantPage, check: Check, form: MessageForm) -> dict[str, Any]:
    messages = latest_messages(check)
    return {
        "page": page,
        "check": check,
        "check_state": page.state_of(check),
        "is_received": check.kind == CheckKind.DELIVERY_MESSAGE,
        "tab": "domains",
        "form": form,
        "routes": _routes(page) if check.kind == CheckKind.DELIVERY_MESSAGE else (),
        "waiting": next((m for m in messages if m.finished_at is None), None),
        "judged": [m for m in messages if m.observation is not None],
        "may_submit": page.access.may(Permission.RUN_CHECKS),
    }


def _routes(page: TenantPage) -> list[tuple[Host, datetime | None]]:
    """Each delivery host, with the time of the newest message that it received from Mimecast."""
    tested = tested_routes(page.tenant)
    hosts = [host for host in page.plan_context.hosts if host.purpose == Host.Purpose.DELIVERY]
    return [(host, tested.get(host.name)) for host in hosts]


@require(Permission.VIEW)
@require_GET
def message(request: HttpRequest, public_id: str, check_id: str) -> HttpResponse:
    page, check = _load(request, public_id, check_id)
    return show(
        request,
        "portfolio/test_message_check.html",
        "test-message",
        _context(page, check, MessageForm(is_hybrid=states_platform(page.tenant, check))),
    )


@require(Permission.RUN_CHECKS)
@require_POST
@throttled(*MESSAGE_LIMIT)
def message_submit(request: HttpRequest, public_id: str, check_id: str) -> HttpResponse:
    page, check = _load(request, public_id, check_id)
    form = MessageForm(
        request.POST,
        request.FILES,
        was_too_large=was_too_large(request),
        is_hybrid=states_platform(page.tenant, check),
    )
    if form.is_valid() and submit_form(form, page.plan, check, by=current_user(request)):
        return redirect("onboarding:test-message", public_id=public_id, check_id=check_id)
    context = _context(page, check, form)
    return render(request, "portfolio/test_message_check.html", context, status=422)
