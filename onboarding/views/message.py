"""Check a test message: a box and a file, and what the worker made of what was shown."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from checks.engine.outcomes import Kind
from checks.messages import latest_messages
from checks.models import Check
from onboarding.forms.message import MessageForm
from onboarding.messages import put_before_check
from onboarding.plans.rows import shape_of_check
from onboarding.uploads import was_too_large
from onboarding.views.shared import TenantPage, load_page, show, signed_in
from tenants.access import act
from tenants.permissions import Act
from tenants.throttle import throttled


def _load(request: HttpRequest, public_id: str, check_id: str) -> tuple[TenantPage, Check]:
    page = load_page(request, public_id)
    for check in page.ground.checks:
        if check.public_id == check_id and check.kind == Kind.MESSAGE:
            return page, check
    raise Http404("No such check.")


def _context(page: TenantPage, check: Check, form: MessageForm) -> dict[str, Any]:
    messages = latest_messages(check)
    return {
        "page": page,
        "check": check,
        "check_shape": shape_of_check(check),
        "tab": "domains",
        "form": form,
        "waiting": next((m for m in messages if m.judged_at is None), None),
        "judged": [m for m in messages if m.observation is not None],
        "may_show": page.seat.may(Act.LOOK),
    }


@act(Act.READ)
@require_GET
def message(request: HttpRequest, public_id: str, check_id: str) -> HttpResponse:
    page, check = _load(request, public_id, check_id)
    return show(request, "onboarding/message.html", "message", _context(page, check, MessageForm()))


@act(Act.LOOK)
@require_POST
@throttled("message", "60/h")
def message_show(request: HttpRequest, public_id: str, check_id: str) -> HttpResponse:
    page, check = _load(request, public_id, check_id)
    form = MessageForm(request.POST, request.FILES, was_too_large=was_too_large(request))
    if not form.is_valid():
        context = _context(page, check, form)
        return render(request, "onboarding/message.html", context, status=422)
    with transaction.atomic():
        put_before_check(page.plan, check, form.cleaned_data["content"], by=signed_in(request))
    return redirect("onboarding:message", public_id=public_id, check_id=check_id)
