"""The page that confirms the delivery host of hosted mailboxes."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from onboarding.error_responses import errors_on_form
from onboarding.lifecycle.delivery_hosts import confirm_delivery_host, proposed_delivery_host
from onboarding.lifecycle.forms.delivery_host import DeliveryHostForm
from onboarding.plans.tenant_page import TenantPage, current_user, load_page
from tenants.access import require
from tenants.models import Host, User
from tenants.permissions import Permission


def _confirm(page: TenantPage, form: DeliveryHostForm, *, decides: bool, by: User) -> Host:
    return confirm_delivery_host(
        page.tenant,
        form.cleaned_data["name"],
        recipient=form.cleaned_data["recipient"],
        has_consent=form.has_consent,
        decides=decides,
        by=by,
    )


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
def delivery_host(request: HttpRequest, public_id: str) -> HttpResponse:
    page = load_page(request, public_id)
    proposal = proposed_delivery_host(
        page.tenant, page.plan_context.domains, page.plan_context.hosts
    )
    initial = {"name": proposal.name, "recipient": proposal.recipient} if proposal else {}
    may_consent = page.access.may(Permission.EDIT_PROFILE)
    form = DeliveryHostForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        may_consent=may_consent,
        domains=[domain.name for domain in page.plan_context.domains],
    )
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form) as attempt:
            host = _confirm(page, form, decides=may_consent, by=current_user(request))
            messages.success(request, _next_step(page, host))
        if attempt.succeeded:
            target = "domains" if page.is_staff else "my-tasks"
            return redirect(f"onboarding:{target}", public_id=public_id)
    context: dict[str, Any] = {"page": page, "tab": "domains", "form": form, "proposal": proposal}
    status = 422 if form.errors else 200
    return render(request, "lifecycle/delivery_host_confirm.html", context, status=status)


def _next_step(page: TenantPage, host: Host) -> str:
    if host.is_proposed:
        return (
            f"{host.name} is saved as a proposal. Gangway connects to it after a consultant has"
            " confirmed it and the client’s consent."
        )
    if host.consented_at is not None or page.tenant.is_sample:
        return f"{host.name} is saved. Gangway checks it now."
    return (
        f"{host.name} is saved. Gangway connects to it after a consultant has recorded the client’s"
        " consent in the profile."
    )
