"""Entering the values of a console, and the consultant's decision on proposed ones."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from checks.run_requests import RUN_LIMIT, RUN_RATE
from onboarding.error_responses import catch_errors, errors_as_message, errors_on_form
from onboarding.errors import ConflictingChange
from onboarding.lifecycle import proposals
from onboarding.lifecycle.forms.proposals import HostProposalForm, RejectionForm, ValuesForm
from onboarding.models import Task
from onboarding.plans.tenant_page import current_user
from tenants.access import access_or_404, require, tenant_or_404
from tenants.models import Domain, Host, Tenant
from tenants.permissions import Permission
from tenants.proposals import ProposalKind, host_proposal, proposal_of
from tenants.throttle import throttled

_PAGES = ("my-tasks", "domains")


def _kind(kind: str) -> ProposalKind:
    known = {each.value: each for each in ProposalKind}
    if kind not in known:
        raise Http404("No such value.")
    return known[kind]


def _domain_of(tenant: Tenant, domain_id: str) -> Domain:
    return get_object_or_404(tenant.domains, public_id=domain_id)


def _host_of(tenant: Tenant, host_id: str) -> Host:
    return get_object_or_404(tenant.hosts.select_related("proposed_by"), public_id=host_id)


def _decides(request: HttpRequest, public_id: str) -> bool:
    return access_or_404(request, public_id).may(Permission.EDIT_PROFILE)


def _return_address(request: HttpRequest) -> dict[str, str]:
    """The page and the task of the form, for the redirect and for the hidden fields."""
    sent = request.POST if request.method == "POST" else request.GET
    return {"page": sent.get("from", ""), "task": sent.get("task", "")}


def _back(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Redirect to the page of the form: the client's tasks, the domains, or the task's phase."""
    back = _return_address(request)
    if back["page"] in _PAGES:
        return redirect(f"onboarding:{back['page']}", public_id=tenant.public_id)
    response = redirect("onboarding:plan-show", public_id=tenant.public_id)
    task = Task.objects.select_related("phase").filter(plan__tenant=tenant, public_id=back["task"])
    for found in task:
        response["Location"] += f"?phase={found.phase.key}#{found.key}"
    return response


def _conflicting_form(
    request: HttpRequest, domain: Domain, kind: ProposalKind, *, decides: bool
) -> ValuesForm:
    """The form with the current state, which the next attempt compares."""
    domain.refresh_from_db()
    form = ValuesForm(request.POST, domain=domain, kind=kind, decides=decides)
    form.is_valid()
    form.show_conflict()
    return form


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
@throttled(RUN_LIMIT, RUN_RATE)
def domain_value_enter(
    request: HttpRequest, public_id: str, domain_id: str, kind: str
) -> HttpResponse:
    tenant, wanted = tenant_or_404(request, public_id), _kind(kind)
    domain, decides = _domain_of(tenant, domain_id), _decides(request, public_id)
    form = ValuesForm(request.POST or None, domain=domain, kind=wanted, decides=decides)
    if request.method == "POST" and form.is_valid():
        with catch_errors() as attempt:
            proposals.enter_values(
                domain, wanted, form.entry(), by=current_user(request), decides=decides
            )
            messages.success(request, _saved(str(domain), decides=decides))
            return _back(request, tenant)
        if isinstance(attempt.error, ConflictingChange):
            form = _conflicting_form(request, domain, wanted, decides=decides)
        with errors_on_form(form):
            if attempt.error is not None:
                raise attempt.error
    title = f"{wanted.label[:1].upper()}{wanted.label[1:]} of {domain}"
    context = {"tenant": tenant, "subject": domain, "title": title, "form": form}
    return _show_form(request, context, decides)


def _show_form(request: HttpRequest, context: dict[str, object], decides: bool) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    context |= {"decides": decides, "back": _return_address(request)}
    return render(request, "lifecycle/value_enter.html", context, status=status)


def _saved(subject: str, *, decides: bool) -> str:
    if decides:
        return f"Saved for {subject}. Checks now use the value."
    return f"Saved for {subject}. Your consultant confirms it."


@require(Permission.CONFIRM)
@require_http_methods(["GET", "POST"])
@throttled(RUN_LIMIT, RUN_RATE)
def host_enter(request: HttpRequest, public_id: str) -> HttpResponse:
    tenant, decides = tenant_or_404(request, public_id), _decides(request, public_id)
    form = HostProposalForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            host = proposals.add_host(
                tenant,
                name=form.cleaned_data["name"],
                port=form.cleaned_data["port"],
                by=current_user(request),
                decides=decides,
            )
            messages.success(request, _saved(str(host), decides=decides))
            return _back(request, tenant)
    return _show_form(request, {"tenant": tenant, "title": "Delivery host", "form": form}, decides)


@require(Permission.EDIT_PROFILE)
@require_POST
def domain_value_confirm(
    request: HttpRequest, public_id: str, domain_id: str, kind: str
) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    domain, wanted = _domain_of(tenant, domain_id), _kind(kind)
    with errors_as_message(request):
        expected = request.POST.get("expected", "")
        proposals.confirm_values(domain, wanted, by=current_user(request), expected=expected)
        messages.success(request, f"Confirmed: {wanted.label} of {domain}.")
    return _back(request, tenant)


@require(Permission.EDIT_PROFILE)
@require_http_methods(["GET", "POST"])
def domain_value_reject(
    request: HttpRequest, public_id: str, domain_id: str, kind: str
) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    domain, wanted = _domain_of(tenant, domain_id), _kind(kind)
    proposal = proposal_of(domain, wanted)
    initial = {"expected": proposal.fingerprint if proposal is not None else ""}
    form = RejectionForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            proposals.reject_values(
                domain,
                wanted,
                by=current_user(request),
                expected=form.cleaned_data["expected"],
                reason=form.cleaned_data["reason"],
            )
            return _back(request, tenant)
    title = f"Reject the {wanted.label} of {domain}"
    return _show_rejection(request, tenant, form, title, proposal)


@require(Permission.EDIT_PROFILE)
@require_POST
def host_confirm(request: HttpRequest, public_id: str, host_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    host = _host_of(tenant, host_id)
    with errors_as_message(request):
        with_consent = request.POST.get("consent") == "yes"
        proposals.confirm_host(host, by=current_user(request), with_consent=with_consent)
        messages.success(request, f"Confirmed: {host}.")
    return _back(request, tenant)


@require(Permission.EDIT_PROFILE)
@require_http_methods(["GET", "POST"])
def host_reject(request: HttpRequest, public_id: str, host_id: str) -> HttpResponse:
    tenant = tenant_or_404(request, public_id)
    host = _host_of(tenant, host_id)
    form = RejectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with errors_on_form(form):
            reason = form.cleaned_data["reason"]
            proposals.reject_host(host, by=current_user(request), reason=reason)
            return _back(request, tenant)
    proposal = host_proposal(host) if host.is_proposed else None
    return _show_rejection(request, tenant, form, f"Reject {host}", proposal)


def _show_rejection(
    request: HttpRequest, tenant: Tenant, form: RejectionForm, title: str, proposal: object
) -> HttpResponse:
    context = {
        "tenant": tenant,
        "form": form,
        "title": title,
        "proposal": proposal,
        "back": _return_address(request),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "lifecycle/value_reject.html", context, status=status)
